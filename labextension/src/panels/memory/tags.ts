/** Tags as a person writes them. Pure. */

/** `a, b ,,c` as tags, each once. */
export function parseTags(text: string): string[] {
  return [
    ...new Set(
      text
        .split(/[,\n]/)
        .map(tag => tag.trim().slice(0, 60))
        .filter(tag => tag)
    )
  ].slice(0, 20);
}

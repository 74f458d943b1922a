/** What a cell keeps of an agent. Pure. */

export const MIME = 'application/vnd.aether.process+json';

/** The data of the MIME type, as the magics write it. */
export interface ICellData {
  readonly pid: number;
  readonly name: string;
  /** The Markdown that stands beside it for other front ends. */
  readonly saved: string;
}

/** Reads what a notebook holds, which anybody may have written; `null` if it names no process. */
export function readCell(
  data: unknown,
  beside: unknown = ''
): ICellData | null {
  if (typeof data !== 'object' || data === null) return null;
  const { pid, name } = data as Record<string, unknown>;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) {
    return null;
  }
  return {
    pid,
    name: typeof name === 'string' ? name.slice(0, 200) : '',
    saved: Array.isArray(beside)
      ? beside.join('')
      : typeof beside === 'string'
        ? beside
        : ''
  };
}

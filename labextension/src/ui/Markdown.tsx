/** Markdown of an agent: Lab's own renderer and sanitizer, then only what needs no trust. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { renderMarkdown } from '@jupyterlab/rendermime';
import * as React from 'react';

import { safeHref, stripAnsi } from './plainText';

const KEPT = new Set(
  (
    'A ABBR B BLOCKQUOTE BR CAPTION CODE COL COLGROUP DD DEL DETAILS DIV DL DT EM H1 H2 H3 H4 H5 H6 HR I INS KBD LI ' +
    'OL P PRE Q S SAMP SMALL SPAN STRONG SUB SUMMARY SUP TABLE TBODY TD TFOOT TH THEAD TR U UL VAR'
  ).split(' ')
);

const ATTRIBUTES = new Set(['align', 'colspan', 'rowspan', 'start', 'title']);

/**
 * Keeps text, structure and links to the web; an image becomes its caption, since loading it would tell its host who
 * reads. Classes, ids, styles and data attributes go: they could run Lab's commands or imitate its interface.
 */
function strict(html: string): string {
  // A document of DOMParser is inert: it loads nothing and runs nothing.
  const page = new DOMParser().parseFromString(html, 'text/html');
  for (const element of [...page.body.querySelectorAll('*')]) {
    if (!KEPT.has(element.tagName)) {
      const caption = element.getAttribute('alt');
      element.replaceWith(
        ...(element.tagName === 'IMG'
          ? [page.createTextNode(caption ?? '')]
          : element.childNodes)
      );
      continue;
    }
    const href = safeHref(element.getAttribute('href') ?? '');
    for (const { name } of [...element.attributes]) {
      if (!ATTRIBUTES.has(name)) element.removeAttribute(name);
    }
    if (element.tagName === 'A' && href) {
      element.setAttribute('href', href);
      element.setAttribute('rel', 'noopener noreferrer nofollow');
      element.setAttribute('target', '_blank');
    }
  }
  return page.body.innerHTML;
}

/** Takes back what the renderer adds for a notebook: anchors of headings, and links that open in this page. */
function finish(made: HTMLElement): void {
  for (const anchor of [...made.querySelectorAll('.jp-InternalAnchorLink')]) {
    anchor.remove();
  }
  for (const heading of [...made.querySelectorAll('[data-jupyter-id]')]) {
    heading.removeAttribute('data-jupyter-id');
  }
  for (const link of [...made.querySelectorAll('a')]) {
    if (safeHref(link.getAttribute('href') ?? '')) {
      link.rel = 'noopener noreferrer nofollow';
      link.target = '_blank';
    } else {
      link.replaceWith(...link.childNodes);
    }
  }
}

/** Lab's sanitizer with the stricter rules above behind it. */
function strictly(sanitizer: IRenderMime.ISanitizer): IRenderMime.ISanitizer {
  return {
    allowNamedProperties: false,
    allowCommandLinker: false,
    sanitize: (dirty, options) => strict(sanitizer.sanitize(dirty, options))
  };
}

/** What is needed of `IRenderMimeRegistry`. */
export interface IMarkdownTools {
  readonly sanitizer: IRenderMime.ISanitizer;
  readonly markdownParser: IRenderMime.IMarkdownParser | null;
}

/** Until it is rendered, and where it cannot be, the text itself stands there. */
export const Markdown = React.memo(function Markdown(props: {
  text: string;
  tools: IMarkdownTools;
}): React.JSX.Element {
  const { tools } = props;
  const text = React.useMemo(() => stripAnsi(props.text), [props.text]);
  const host = React.useRef<HTMLDivElement>(null);
  const [rendered, setRendered] = React.useState(false);
  React.useEffect(() => {
    // Its own element, since React must not find foreign children in one of its own.
    const made = document.createElement('div');
    let stale = false;
    renderMarkdown({
      host: made,
      source: text,
      trusted: false,
      sanitizer: strictly(tools.sanitizer),
      resolver: null,
      linkHandler: null,
      shouldTypeset: false,
      latexTypesetter: null,
      markdownParser: tools.markdownParser
    })
      .then(() => {
        if (stale || !host.current) return;
        finish(made);
        host.current.replaceChildren(...made.childNodes);
        setRendered(true);
      })
      .catch((error: unknown) => {
        console.warn('The text of an agent could not be rendered', error);
        if (!stale) setRendered(false);
      });
    return () => {
      stale = true;
    };
  }, [text, tools]);
  return (
    <>
      {!rendered && (
        <div className="ae-md" style={{ whiteSpace: 'pre-wrap' }}>
          {text}
        </div>
      )}
      <div
        ref={host}
        className="ae-md jp-RenderedHTMLCommon jp-RenderedMarkdown"
        hidden={!rendered}
      />
    </>
  );
});

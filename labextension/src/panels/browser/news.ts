/** What the server says of an agent's browser, and what stands in the panel by it. Addresses and words are a page's. Pure. */

export interface PageTab {
  readonly number: number;
  readonly url: string;
  readonly title: string;
  readonly front: boolean;
}

/** What a page asks, over everything else, until it is answered. */
export interface PageDialog {
  readonly type: 'alert' | 'confirm' | 'prompt' | 'beforeunload';
  readonly message: string;
  readonly given: string;
}

export interface PageOption {
  readonly label: string;
  readonly disabled: boolean;
  /** The heading that it stands under; '' for none. */
  readonly group: string;
}

/** The list of a `<select>`, and where that is in pixels of the page. `chosen` is an index, -1 for none. */
export interface PageChoice {
  readonly options: readonly PageOption[];
  readonly chosen: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface PageState {
  readonly open: boolean;
  readonly width: number;
  readonly height: number;
  readonly loading: boolean;
  readonly tabs: readonly PageTab[];
}

export interface Page extends PageState {
  readonly dialog: PageDialog | null;
  readonly choice: PageChoice | null;
  /** A sentence about what could not be done; '' for none. */
  readonly trouble: string;
}

export type News =
  | ({ readonly kind: 'state' } & PageState)
  | ({ readonly kind: 'dialog' } & PageDialog)
  | { readonly kind: 'dialog_gone' }
  | ({ readonly kind: 'choice' } & PageChoice)
  | { readonly kind: 'copied'; readonly text: string }
  | { readonly kind: 'trouble'; readonly words: string };

export const BLANK: Page = {
  open: false,
  width: 1280,
  height: 800,
  loading: false,
  tabs: [],
  dialog: null,
  choice: null,
  trouble: ''
};

export function frontOf(page: Page): PageTab | null {
  return page.tabs.find(({ front }) => front) ?? null;
}

/** The page after the news. */
export function told(page: Page, news: News): Page {
  switch (news.kind) {
    case 'state': {
      const { open, width, height, loading, tabs } = news;
      const next = { ...page, open, width, height, loading, tabs };
      const [now, before] = [frontOf(next), frontOf(page)];
      // A list belongs to the page that it is on.
      const same = now?.number === before?.number && now?.url === before?.url;
      return same ? next : { ...next, choice: null };
    }
    case 'dialog': {
      const { type, message, given } = news;
      return { ...page, dialog: { type, message, given }, choice: null };
    }
    case 'dialog_gone':
      return { ...page, dialog: null };
    case 'choice': {
      const { options, chosen, x, y, width, height } = news;
      return { ...page, choice: { options, chosen, x, y, width, height } };
    }
    case 'trouble':
      return { ...page, trouble: news.words };
    case 'copied':
      return page;
  }
}

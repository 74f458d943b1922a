/** What is used of noVNC, which has no types of its own. */
declare module '@novnc/novnc' {
  interface RFBEvents {
    connect: Event;
    disconnect: CustomEvent<{ clean: boolean }>;
    clipboard: CustomEvent<{ text: string }>;
    securityfailure: CustomEvent<{ status: number; reason?: string }>;
  }

  export default class RFB extends EventTarget {
    constructor(
      target: HTMLElement,
      channel: WebSocket | string,
      options?: { shared?: boolean }
    );
    background: string;
    compressionLevel: number;
    focusOnClick: boolean;
    qualityLevel: number;
    resizeSession: boolean;
    scaleViewport: boolean;
    viewOnly: boolean;
    addEventListener<K extends keyof RFBEvents>(
      type: K,
      heard: (event: RFBEvents[K]) => void
    ): void;
    blur(): void;
    clipboardPasteFrom(text: string): void;
    disconnect(): void;
    focus(options?: FocusOptions): void;
    sendCtrlAltDel(): void;
    /** A press and a release unless `down` says which. */
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    toBlob(
      take: (picture: Blob | null) => void,
      type?: string,
      quality?: number
    ): void;
    toDataURL(type?: string, quality?: number): string;
  }
}

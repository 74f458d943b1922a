/** What the parts of the agent view share. */
import * as React from 'react';

import type { Approval, Decision, Process, Thumb } from '../../api/types';
import type { Live } from '../../state/store';
import type { IMarkdownTools } from '../../ui/Markdown';

export interface IAgentContext {
  readonly pid: number;
  readonly process: Process;
  readonly me: string;
  readonly markdown: IMarkdownTools;
  readonly live: Live | null;
  /** What is searched for; empty if nothing is. */
  readonly query: string;
  readonly isOpen: (key: string, byDefault: boolean) => boolean;
  readonly toggle: (key: string, open: boolean) => void;
  /** Says what one thinks of a step; it replaces what one said of it before. */
  readonly judge: (
    step: number,
    thumb: Thumb,
    comment: string
  ) => Promise<void>;
  readonly decide: (approval: Approval, decision: Decision) => Promise<void>;
  /** Shows a step in the timeline, if it is there. */
  readonly goToStep: (step: number) => void;
  readonly fileUrl: (path: string) => string;
}

const Context = React.createContext<IAgentContext | null>(null);

export const AgentProvider = Context.Provider;

export function useAgent(): IAgentContext {
  const agent = React.useContext(Context);
  if (!agent) throw new Error('No AgentProvider above this component');
  return agent;
}

/** What was done on and around a stage, newest first: the agent's actions and thoughts, and people's turns. Pure. */
import type {
  Act,
  Image,
  JournalRecord,
  Stage,
  ToolCall
} from '../../api/types';
import type { IconName } from '../../ui/icons';
import { pixels, placeOfCall, type Place, type Size, stageOf } from './points';

/** One thing the agent did or thought. */
export interface AgentDeed {
  readonly kind: 'agent';
  readonly key: string;
  readonly at: number;
  readonly icon: IconName;
  readonly name: string;
  readonly detail: string;
  /** What the agent said before it, on the last one only. */
  readonly reason: string;
  readonly running: boolean;
  readonly failed: boolean;
  readonly place: Place | null;
  /** Pictures that came of it. */
  readonly images: readonly Image[];
}

/** One thing a person did; what was typed is never known. */
export interface PersonDeed {
  readonly kind: 'person';
  readonly key: string;
  readonly at: number;
  readonly by: string;
  readonly act: Act;
}

/** A person took control or gave it back. */
export interface TurnDeed {
  readonly kind: 'turn';
  readonly key: string;
  readonly at: number;
  readonly by: string;
  readonly what: 'took' | 'returned' | 'gone' | 'ended';
  readonly note: string;
  readonly images: readonly Image[];
}

export type Deed = AgentDeed | PersonDeed | TurnDeed;

/** What a person does while they have control, as the server tells it. */
export interface LiveAct {
  readonly by: string;
  readonly act: Act;
}

const ICONS: readonly (readonly [RegExp, IconName])[] = [
  [/screenshot|picture|look/, 'camera'],
  [/type|key|press|text/, 'keyboard'],
  [/click|drag|move|scroll|mouse|hover|select/, 'pointer'],
  [
    /browser_(open|back|forward|tabs)|page|navigate|fetch|download_url/,
    'globe'
  ],
  [/file|download|upload|write|read/, 'file'],
  [/open|app|window/, 'desktop'],
  [/command|shell|run/, 'terminal'],
  [/wait/, 'clock']
];

/** The icon of a tool, by what its name says. */
export function iconOf(tool: string): IconName {
  return ICONS.find(([name]) => name.test(tool))?.[1] ?? 'action';
}

/** `desktop_double_click` or `browser_click` as people say it: `double click`, `click`; a `computer` tool by the action it was told. */
export function nameOf(call: ToolCall): string {
  const { action } = given(call);
  const told =
    call.tool.startsWith('computer') && action !== undefined
      ? typeof action === 'string'
        ? action
        : String((action as { type?: unknown }).type ?? call.tool)
      : call.tool.replace(/^(desktop|browser)_/, '');
  return told.replaceAll('_', ' ');
}

const TELLING = [
  'program',
  'target',
  'name',
  'app',
  'application',
  'title',
  'url',
  'path',
  'command',
  'keys',
  'key',
  'query'
] as const;
const LONGEST = 120;

/** What tells most of the arguments: a name, a place; of a text only how long it is. */
export function detailOf(call: ToolCall): string {
  const args = given(call);
  const parts: string[] = [];
  for (const name of TELLING) {
    const value = args[name];
    if (typeof value === 'string' && value) {
      parts.push(value);
      break;
    }
    if (Array.isArray(value) && value.every(each => typeof each === 'string')) {
      parts.push(value.join('+'));
      break;
    }
  }
  const staged = stageOf(call.tool);
  const at = staged === 'desktop' ? pixels(args) : null;
  if (at) parts.push(at.map(Math.round).join(', '));
  // Others name what is waited for, or looked for.
  const typed = staged === 'desktop' || call.tool === 'browser_type';
  if (typeof args.text === 'string' && typed) {
    const characters = [...args.text].length;
    parts.push(
      `${characters} ${characters === 1 ? 'character' : 'characters'}`
    );
  }
  const told = parts.join(', ').replace(/\s+/g, ' ');
  return told.length > LONGEST ? `${told.slice(0, LONGEST - 1)}…` : told;
}

function given(call: ToolCall): Record<string, unknown> {
  return call.arguments ?? {};
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** Where a person did this. */
export function stageOfAct(act: Act): Stage {
  return act.stage ?? 'desktop';
}

/**
 * The deeds of the records, which are in order, but for those on the other stage. `live` are those of the person who has
 * control now; `size` is the size of the stage, for calls before the first picture.
 */
export function deeds(
  records: readonly JournalRecord[],
  live: readonly LiveAct[],
  stage: Stage,
  size: Size
): Deed[] {
  const found: Deed[] = [];
  const running = new Map<string, Draft<AgentDeed>>();
  let seen = size;
  let said = '';
  let holder = '';
  let last: Draft<AgentDeed> | null = null;
  for (const { n, at, event } of records) {
    switch (event.type) {
      case 'model.answered': {
        said = event.parts
          .map(part => (part.type === 'text' ? part.text.trim() : ''))
          .filter(text => text)
          .join(' ');
        const calls = event.parts.some(part => part.type === 'call');
        if (said && !calls) {
          found.push(thought(`n-${n}`, at, said));
          said = '';
        }
        break;
      }
      case 'tool.started': {
        const { call } = event;
        const staged = stageOf(call.tool);
        if (staged && staged !== stage) break;
        const deed: Draft<AgentDeed> = {
          kind: 'agent',
          key: `call-${call.id}`,
          at,
          icon: iconOf(staged === 'browser' ? call.tool : nameOf(call)),
          name: nameOf(call),
          detail: detailOf(call),
          reason: said,
          running: true,
          failed: false,
          place: placeOfCall(call, stage, seen),
          images: []
        };
        // A reason is told once, with the deed it is the reason of while that is the last one.
        if (last) last.reason = '';
        said = '';
        last = deed;
        running.set(call.id, deed);
        found.push(deed);
        break;
      }
      case 'tool.ended': {
        const deed = running.get(event.call_id);
        const images = event.outcome.images ?? [];
        const picture = images.at(-1);
        // A page is counted in its own pixels, however small a picture of it is.
        if (picture && stage === 'desktop') seen = picture;
        if (deed) {
          deed.running = false;
          deed.failed = !event.outcome.ok;
          deed.images = images;
        }
        break;
      }
      case 'control.taken':
        holder = event.by;
        found.push({
          kind: 'turn',
          key: `n-${n}`,
          at,
          by: event.by,
          what: 'took',
          note: '',
          images: []
        });
        break;
      case 'control.returned': {
        const by = event.by || holder;
        holder = '';
        for (const [index, act] of (event.turn?.did ?? []).entries()) {
          if (stageOfAct(act) !== stage) continue;
          found.push({
            kind: 'person',
            key: `n-${n}-${index}`,
            at: act.at,
            by,
            act
          });
        }
        const after =
          event.turn?.scenes?.find(scene => scene.stage === stage)?.after ??
          null;
        if (after && stage === 'desktop') seen = after;
        found.push({
          kind: 'turn',
          key: `n-${n}`,
          at,
          by,
          what: event.why,
          note: event.note ?? '',
          images: after ? [after] : []
        });
        break;
      }
    }
  }
  if (holder) {
    for (const [index, { by, act }] of live.entries()) {
      if (stageOfAct(act) !== stage) continue;
      found.push({ kind: 'person', key: `live-${index}`, at: act.at, by, act });
    }
  }
  return found.reverse();
}

function thought(key: string, at: number, text: string): AgentDeed {
  return {
    kind: 'agent',
    key,
    at,
    icon: 'thought',
    name: 'thought',
    detail: text,
    reason: '',
    running: false,
    failed: false,
    place: null,
    images: []
  };
}

/** Puts a notice to those before: letters of one word, and turns of a wheel, come one by one. */
export function joined(
  acts: readonly LiveAct[],
  next: LiveAct
): readonly LiveAct[] {
  const last = acts.at(-1);
  if (
    last &&
    last.by === next.by &&
    last.act.kind === next.act.kind &&
    stageOfAct(last.act) === stageOfAct(next.act) &&
    (next.act.kind === 'type' || next.act.kind === 'scroll') &&
    next.act.at - last.act.at < 3
  ) {
    const count = (last.act.count ?? 1) + (next.act.count ?? 1);
    return [...acts.slice(0, -1), { ...last, act: { ...last.act, count } }];
  }
  return [...acts, next].slice(-200);
}

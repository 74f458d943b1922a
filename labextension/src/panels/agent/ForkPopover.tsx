/** "Fork from here": another agent goes on from a step, with one thing changed. */
import * as React from 'react';

import type { Fork, ModelInfo, Process } from '../../api/types';
import { CommandIDs } from '../../commands/ids';
import type { StepBlock } from '../../state/timeline';
import { Button, figures, Note, useWords } from '../../ui';
import { usePopover } from '../../ui/usePopover';
import { useAsked } from '../useAsked';
import { useCommand, useServices } from '../services';

type Change = 'result' | 'message' | 'model' | 'nothing';

/** The last call of the step that has ended, which may have another result. */
function ended(
  block: StepBlock
): { call: string; tool: string; text: string } | null {
  for (const entry of [...block.entries].reverse()) {
    if (entry.kind === 'action' && entry.outcome) {
      const { id, tool } = entry.call;
      return { call: id, tool, text: entry.outcome.content };
    }
  }
  return null;
}

/** What is left of the limits of the first one. */
function useBudget(process: Process): string {
  const trans = useWords();
  const { limits, pid, cost_usd } = process;
  if (limits.cost_usd === null) return trans.__('Limits: those of %1', pid);
  return trans.__(
    'Budget: rest of %1, %2',
    pid,
    figures.limitMoney(Math.max(0, limits.cost_usd - cost_usd))
  );
}

export function ForkPopover(props: {
  anchor: HTMLElement;
  process: Process;
  block: StepBlock;
  onClose: () => void;
}): React.JSX.Element {
  const { anchor, process, block, onClose } = props;
  const { pid } = process;
  const trans = useWords();
  const { client } = useServices();
  const run = useCommand();
  const budget = useBudget(process);
  const last = ended(block);
  const [change, setChange] = React.useState<Change>(
    last ? 'result' : 'message'
  );
  const [result, setResult] = React.useState(last?.text ?? '');
  const [message, setMessage] = React.useState('');
  const [model, setModel] = React.useState('');
  const [beside, setBeside] = React.useState(true);
  const [failure, setFailure] = React.useState('');
  const [busy, setBusy] = React.useState(false);
  const { value: models } = useAsked<ModelInfo[]>(
    change === 'model' ? async () => (await client.models()).models : null,
    change
  );
  const ready = (models ?? []).filter(each => each.available.ok);
  const box = React.useRef<HTMLDivElement>(null);
  const id = React.useId();
  usePopover(box, anchor, onClose);
  React.useEffect(() => {
    box.current?.querySelector<HTMLElement>('.ae-input')?.focus();
  }, [change]);
  const close = () => box.current?.hidePopover();

  const lacking =
    (change === 'message' && !message.trim() && trans.__('Write the words')) ||
    (change === 'model' && !model && trans.__('Choose a model')) ||
    (change === 'result' &&
      result === last?.text &&
      trans.__('Change the result, or choose Nothing')) ||
    false;

  const fork = async () => {
    if (busy || lacking) return;
    setBusy(true);
    setFailure('');
    const wish: Fork = { step: block.step };
    if (change === 'result' && last) {
      wish.result = { call_id: last.call, content: result };
    } else if (change === 'message') {
      wish.message = { text: message.trim() };
    } else if (change === 'model') {
      wish.model = model;
    }
    try {
      const made = await client.fork(pid, wish);
      close();
      run(CommandIDs.openAgent, { pid: made.process.pid, beside });
      run(CommandIDs.tellBranched, {
        pid: made.process.pid,
        notes: made.notes
      });
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };

  const choices: [Change, string, string | false][] = [
    [
      'result',
      trans.__('Tool result'),
      last === null && trans.__('No tool ran in this step')
    ],
    ['message', trans.__('Message'), false],
    ['model', trans.__('Model'), false],
    ['nothing', trans.__('Nothing'), false]
  ];
  return (
    <div
      ref={box}
      className="ae-comment ae-fork"
      role="dialog"
      aria-labelledby={`${id}-head`}
      data-lm-suppress-shortcuts="true"
      onKeyDown={event => {
        event.stopPropagation();
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          void fork();
        }
      }}
      {...{ popover: 'auto' }}
    >
      <b id={`${id}-head`}>{trans.__('Fork from step %1', block.step)}</b>
      <p className="ae-small ae-2">
        {trans.__(
          'A new agent goes on from here, with the plan of that moment and the files of the nearest snapshot. Agent %1 stays as it is.',
          pid
        )}
      </p>
      <span className="ae-b" id={`${id}-change`}>
        {trans.__('Change')}
      </span>
      <div className="ae-seg" role="group" aria-labelledby={`${id}-change`}>
        {choices.map(([kind, label, why]) => (
          <Button
            key={kind}
            small
            pressed={change === kind}
            disabled={why}
            onClick={() => setChange(kind)}
          >
            {label}
          </Button>
        ))}
      </div>
      {change === 'result' && last && (
        <textarea
          className="ae-input ae-mono"
          rows={4}
          aria-label={trans.__('What %1 came to', last.tool)}
          value={result}
          onChange={event => setResult(event.currentTarget.value)}
        />
      )}
      {change === 'message' && (
        <textarea
          className="ae-input"
          rows={3}
          aria-label={trans.__('What it reads before it goes on')}
          placeholder={trans.__('What it reads before it goes on')}
          value={message}
          onChange={event => setMessage(event.currentTarget.value)}
        />
      )}
      {change === 'model' && (
        <select
          className="ae-input"
          aria-label={trans.__('Model')}
          value={model}
          onChange={event => setModel(event.currentTarget.value)}
        >
          <option value="">{trans.__('Choose a model')}</option>
          {ready.map(each => (
            <option key={each.id} value={each.id}>
              {each.label || each.id}
            </option>
          ))}
        </select>
      )}
      <label className="ae-row check">
        <input
          type="checkbox"
          checked={beside}
          onChange={event => setBeside(event.currentTarget.checked)}
        />
        {trans.__('Compare with %1 side by side', pid)}
      </label>
      {failure && (
        <Note tone="bad" icon="error" alert>
          {failure}
        </Note>
      )}
      <div className="ae-row">
        <span className="ae-small ae-2 ae-grow">{budget}</span>
        <Button small onClick={close}>
          {trans.__('Cancel')}
        </Button>
        <Button
          small
          kind="primary"
          disabled={busy ? trans.__('It is being forked') : lacking}
          onClick={() => void fork()}
        >
          {trans.__('Fork')}
        </Button>
      </div>
    </div>
  );
}

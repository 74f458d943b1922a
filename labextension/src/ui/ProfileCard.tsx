/** What an agent has done in its runs: how they ended, what they cost, what it is good at, what people said. */
import * as React from 'react';

import type { PastTask, Profile } from '../api/types';
import { Button } from './controls';
import * as figures from './figures';
import { Icon } from './icons';
import { stripAnsi } from './plainText';
import { Mark } from './StateMark';
import { useWords } from './words';

const TASKS = 5;

/** `now` is in seconds since the epoch; `me` is who looks at it; `onOpen` opens one of its runs. */
export function ProfileCard(props: {
  profile: Profile;
  me: string;
  now: number;
  onOpen: (pid: number) => void;
}): React.JSX.Element {
  const { profile, now, onOpen } = props;
  const trans = useWords();
  if (profile.tasks === 0) {
    return (
      <section className="ae-profile" aria-label={trans.__('Profile')}>
        <p className="ae-2">
          {trans.__(
            'No run of this agent has ended yet. Then this tells how its runs went, what they cost, and what people said.'
          )}
        </p>
      </section>
    );
  }
  const { succeeded, failed, stopped } = profile;
  const ends = [
    trans.__('%1 succeeded', succeeded),
    failed > 0 && trans.__('%1 failed', failed),
    stopped > 0 && trans.__('%1 stopped', stopped)
  ].filter(text => text);
  const share = profile.success_rate;
  const lists: readonly (readonly [string, readonly string[]])[] = [
    [trans.__('Roles'), profile.roles ?? []],
    [trans.__('Works with'), counted(profile.tools)],
    [trans.__('Knows how'), counted(profile.tags)]
  ];
  const comments = (profile.feedback ?? []).filter(each => each.comment);
  const strategies = (profile.strategies ?? []).slice(0, 2);
  return (
    <section
      className="ae-profile"
      aria-label={trans.__('Profile of %1', profile.agent)}
    >
      <dl className="pf">
        <div>
          <dt>{trans._n('Task', 'Tasks', profile.tasks)}</dt>
          <dd>{profile.tasks}</dd>
        </div>
        <div>
          <dt>{trans.__('Succeeded')}</dt>
          <dd>
            {share === null ? '–' : trans.__('%1 %', Math.round(share * 100))}
          </dd>
        </div>
        <div>
          <dt>{trans.__('Quality')}</dt>
          <dd
            title={trans._n(
              'What %1 run gave itself when it looked back',
              'What %1 runs gave themselves when they looked back',
              profile.rated
            )}
          >
            {profile.quality === null ? (
              '–'
            ) : (
              <>
                {profile.quality.toFixed(1)}
                <span className="ae-2"> {trans.__('of 5')}</span>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>{trans.__('Thumbs')}</dt>
          <dd>
            <span
              className="th"
              title={trans._n('%1 thumb up', '%1 thumbs up', profile.thumbs_up)}
            >
              <Icon name="thumbUp" size={12} label={trans.__('up')} />
              {profile.thumbs_up}
            </span>
            <span
              className="th"
              title={trans._n(
                '%1 thumb down',
                '%1 thumbs down',
                profile.thumbs_down
              )}
            >
              <Icon name="thumbDown" size={12} label={trans.__('down')} />
              {profile.thumbs_down}
            </span>
          </dd>
        </div>
      </dl>
      <span className="pbar" aria-hidden="true">
        {succeeded > 0 && (
          <i className="good" style={{ flexGrow: succeeded }} />
        )}
        {failed > 0 && <i className="bad" style={{ flexGrow: failed }} />}
        {stopped > 0 && <i style={{ flexGrow: stopped }} />}
      </span>
      <p className="ae-small ae-2">{ends.join(', ')}</p>
      <p className="ae-small ae-2">
        {trans.__(
          'A task takes %1 and costs %2 (%3 tokens) on average; all cost %4.',
          figures.duration(profile.mean_run_s),
          figures.money(profile.mean_cost_usd, true),
          figures.tokenCount(Math.round(profile.mean_tokens)),
          figures.money(profile.cost_usd, true)
        )}
      </p>
      {lists.map(
        ([title, words]) =>
          words.length > 0 && (
            <div key={title} className="pw">
              <span className="ae-2">{title}</span>
              {words.map(word => (
                <span key={word} className="ae-chip">
                  {stripAnsi(word)}
                </span>
              ))}
            </div>
          )
      )}
      {strategies.length > 0 && (
        <>
          <h5>{trans.__('What worked')}</h5>
          {strategies.map(each => (
            <p key={each.pid} className="said">
              {stripAnsi(each.text)}
            </p>
          ))}
        </>
      )}
      {comments.length > 0 && (
        <>
          <h5>{trans.__('What people said')}</h5>
          {comments.slice(0, 3).map(each => (
            <p key={`${each.pid}-${each.step}-${each.by}`} className="said">
              <b>{each.by === props.me ? trans.__('You') : each.by}</b>{' '}
              {stripAnsi(each.comment)}{' '}
              <Button kind="quiet" small onClick={() => onOpen(each.pid)}>
                {trans.__('run %1, step %2', each.pid, each.step)}
              </Button>
            </p>
          ))}
        </>
      )}
      <h5>{trans.__('Last tasks')}</h5>
      <ul>
        {(profile.last ?? []).slice(0, TASKS).map(task => (
          <li key={task.pid}>
            <Task task={task} now={now} onOpen={onOpen} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Task(props: {
  task: PastTask;
  now: number;
  onOpen: (pid: number) => void;
}): React.JSX.Element {
  const { task, now, onOpen } = props;
  const trans = useWords();
  const goal = stripAnsi(task.goal);
  const standing =
    task.succeeded === null ? 'stopped' : task.succeeded ? 'done' : 'failed';
  return (
    <button
      type="button"
      className="pt"
      title={goal}
      onClick={() => onOpen(task.pid)}
    >
      <Mark
        standing={standing}
        title={trans.__('%1, %2', task.pid, stripAnsi(task.reason))}
        quiet
      />
      <span className="ae-grow ae-trunc">{goal}</span>
      {task.rating !== null && task.rating !== undefined && (
        <span className="ae-small ae-2">
          {trans.__('%1 of 5', task.rating)}
        </span>
      )}
      <time
        className="ae-small ae-2"
        dateTime={new Date(task.ended_at * 1000).toISOString()}
      >
        {figures.clock(task.ended_at, now)}
      </time>
    </button>
  );
}

/** `run_command 12`, the most used first. */
function counted(
  words: Readonly<Record<string, number>> | undefined
): string[] {
  return Object.entries(words ?? {})
    .slice(0, 6)
    .map(([word, count]) => (count > 1 ? `${word} ${count}` : word));
}

/** How the runs of an agent went, under the name it remembers by. */
import * as React from 'react';

import { CommandIDs } from '../../commands/ids';
import { useView } from '../../state/useStore';
import { Failure, Patience, ProfileCard, Skeleton, useWords } from '../../ui';
import { useClock, useCommand, useServices } from '../services';
import { useAsked } from '../useAsked';

export function ProfileTab(props: {
  agent: string;
  news: number;
}): React.JSX.Element {
  const trans = useWords();
  const run = useCommand();
  const { client, store } = useServices();
  const now = useClock();
  const me = useView(store, view => view.user) ?? '';
  const { agent, news } = props;
  const { value, of, failure, again } = useAsked(
    () => client.profile(agent),
    `${news} ${agent}`
  );
  if (value && of.endsWith(` ${agent}`)) {
    return (
      <div
        className="mi-profile"
        tabIndex={0}
        role="region"
        aria-label={trans.__('Profile of %1', agent)}
      >
        {failure && (
          <Failure tone="warn" again={again}>
            {trans.__('Shown as it was. %1', failure.message)}
          </Failure>
        )}
        <ProfileCard
          profile={value}
          me={me}
          now={now}
          onOpen={pid => run(CommandIDs.openAgent, { pid })}
        />
      </div>
    );
  }
  return (
    <div className="mi-loading" aria-busy={!failure}>
      {failure ? (
        <Failure tone="bad" again={again}>
          {failure.message}
        </Failure>
      ) : (
        <>
          <Skeleton height={16} width="30%" />
          <Skeleton height={60} width="60%" />
          <Patience>{trans.__('The profile is still being read.')}</Patience>
        </>
      )}
    </div>
  );
}

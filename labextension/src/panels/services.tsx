/** What every panel works with, handed down once at its root. */
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import type { AetherClient } from '../api/client';
import { readable } from '../commands/keys';
import type { IAetherStore } from '../state/store';
import { type Hint, HintsProvider } from '../ui';

export interface PanelServices {
  readonly client: AetherClient;
  readonly store: IAetherStore;
  readonly commands: CommandRegistry;
}

const Services = React.createContext<PanelServices | null>(null);

/** Hands the services down, and the keys of commands with them. */
export function ServicesProvider(props: {
  value: PanelServices;
  children: React.ReactNode;
}): React.JSX.Element {
  return (
    <Services.Provider value={props.value}>
      <HintsProvider value={useKeys(props.value.commands)}>
        {props.children}
      </HintsProvider>
    </Services.Provider>
  );
}

/** The first key of each command, looked up again when a person changes one. */
function useKeys(commands: CommandRegistry): Hint {
  const [turn, setTurn] = React.useState(0);
  React.useEffect(() => {
    let timer = 0;
    const changed = () => {
      // Lab adds its bindings one by one.
      window.clearTimeout(timer);
      timer = window.setTimeout(() => setTurn(count => count + 1), 100);
    };
    commands.keyBindingChanged.connect(changed);
    return () => {
      window.clearTimeout(timer);
      commands.keyBindingChanged.disconnect(changed);
    };
  }, [commands]);
  return React.useMemo(() => {
    const keys = new Map<string, string>();
    for (const binding of commands.keyBindings) {
      if (!binding.command.startsWith('aether:')) continue;
      const given = Object.values(binding.args).join(' ');
      const name = given ? `${binding.command} ${given}` : binding.command;
      if (!keys.has(name)) keys.set(name, readable(binding.keys));
    }
    return command => keys.get(command) ?? '';
  }, [commands, turn]); // eslint-disable-line react-hooks/exhaustive-deps -- `turn` says that the bindings changed
}

export function useServices(): PanelServices {
  const services = React.useContext(Services);
  if (!services) throw new Error('No ServicesProvider above this component');
  return services;
}

/** Runs a command of the application, if it is there. */
export function useCommand(): (
  id: string,
  args?: ReadonlyPartialJSONObject
) => void {
  const { commands } = useServices();
  return React.useCallback(
    (id, args) => {
      if (commands.hasCommand(id)) void commands.execute(id, args);
    },
    [commands]
  );
}

const Now = React.createContext(0);

/** The server's clock, told once a second to what shows a time; other components stand still. */
export const NowProvider = Now.Provider;

export function useClock(): number {
  return React.useContext(Now);
}

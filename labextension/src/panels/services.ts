/** What every panel works with, handed down once at its root. */
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import type { AetherClient } from '../api/client';
import type { IAetherStore } from '../state/store';

export interface PanelServices {
  readonly client: AetherClient;
  readonly store: IAetherStore;
  readonly commands: CommandRegistry;
}

const Services = React.createContext<PanelServices | null>(null);

export const ServicesProvider = Services.Provider;

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

/** What other plugins may ask for: the server's calls and the live view. */
import { Token } from '@lumino/coreutils';

import type { AetherClient } from './api/client';
import type { IAetherStore as Store } from './state/store';

/** Calls to the server. What they answer never paints a screen: the store will say what came of them. */
export type IAetherClient = AetherClient;

export const IAetherClient = new Token<IAetherClient>(
  'aether-jupyter:IAetherClient',
  'Typed calls to the agent kernel of the server.'
);

/** The live view of a person's agents. */
export type IAetherStore = Store;

export const IAetherStore = new Token<IAetherStore>(
  'aether-jupyter:IAetherStore',
  'The live view of the agents, fed by the server.'
);

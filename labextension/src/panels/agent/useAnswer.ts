/** What the server is asked for by a part of the agent's panel. */
import { useAsked } from '../useAsked';

/** As `useAsked`, with the failure in words: '' where there is none. */
export function useAnswer<T>(
  ask: () => Promise<T>,
  key: string
): { value: T | null; failure: string; again: () => void } {
  const { value, failure, again } = useAsked(ask, key);
  return { value, failure: failure?.message ?? '', again };
}

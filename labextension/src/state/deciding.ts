/** Decides approvals; one that somebody else decided first is not an error but news. */
import { type AetherClient, AetherError } from '../api/client';
import type { Approval, Decision } from '../api/types';

/** What became of a decision: `mine` is false where somebody else was first. */
export interface IDecided {
  readonly approval: Approval;
  readonly mine: boolean;
}

/** Sends the decision on exactly the call that was shown. Rejects with the server's sentence. */
export async function decide(
  client: AetherClient,
  approval: Approval,
  decision: Decision
): Promise<IDecided> {
  try {
    const decided = await client.decide(
      approval.id,
      decision,
      approval.digest ?? ''
    );
    return { approval: decided, mine: true };
  } catch (error) {
    if (error instanceof AetherError && error.code === 'already_decided') {
      return { approval: await client.approval(approval.id), mine: false };
    }
    throw error;
  }
}

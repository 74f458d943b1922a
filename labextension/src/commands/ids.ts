/** The commands by name. A panel's own commands are added by its plugin. */
export const CommandIDs = {
  /** Arguments: `filter?` (text of the filter field). */
  openMissionControl: 'aether:open-mission-control',
  /** Arguments: `pid`, `step?` (the one to go to), `beside?` (at the right of the present one). Added by the agent panel. */
  openAgent: 'aether:open-agent',
  /** Arguments: `agent?` (whose memory), `memory?` (the id of one to show). Added by the memory panel. */
  openMemory: 'aether:open-memory',
  /** Arguments: `pid`, `step?` (the last one if none is named). Added by the memory panel. */
  openContext: 'aether:open-context',
  /** Arguments: `id?` (the approval to show). Added by the approvals panel. */
  openApprovals: 'aether:open-approvals',
  /** Arguments: any field of a spec that is known (`goal`, `model`, …). */
  newAgent: 'aether:new-agent',
  /** Arguments: `pid` or `pids`, and `signal`. TERM and KILL ask first unless `sure`. */
  signal: 'aether:signal',
  /** Arguments: `pid` or `pids`, `steps?` (25). */
  extend: 'aether:extend-limits',
  /** Arguments: `pid` or `pids`, `model?`. Asks which one unless it is given. */
  chooseModel: 'aether:choose-model',
  /** Arguments: `pid` or `pids`. Asks for the words. */
  send: 'aether:send-message',
  /** Arguments: `pid` (asks which agent unless one is given), `name?`. Added by the desktop panel. */
  openDesktop: 'aether:open-desktop',
  /** Arguments: `pid` (asks which agent unless one is given), `name?`. Added by the browser panel. */
  openBrowser: 'aether:open-browser',
  /** Arguments: `pid`. Asks which agent unless one is given. */
  openTerminal: 'aether:open-terminal',
  /** Arguments: `pid`. Asks which agent unless one is given. */
  takeSnapshot: 'aether:take-snapshot',
  importSnapshot: 'aether:import-snapshot',
  /** Arguments: `id`. Asks first; gives whether it was deleted. */
  deleteSnapshot: 'aether:delete-snapshot',
  /** Arguments: `pid`, `notes`: in which ways a new agent differs from the moment it was branched from. */
  tellBranched: 'aether:tell-branched',
  /** Arguments: `pid` or `pids`. Asks first. */
  reap: 'aether:reap-agent',
  openTutorial: 'aether:open-tutorial',
  exportMyData: 'aether:export-my-data',
  /** Arguments: `agent?` (its name). Shows what goes, and asks for the name. */
  eraseAgent: 'aether:erase-agent',
  eraseMyData: 'aether:erase-my-data',
  showAgents: 'aether:show-agents',
  /** The keys of the panel that has the focus. */
  showKeys: 'aether:show-keys',
  nextApproval: 'aether:approval-next',
  previousApproval: 'aether:approval-previous',
  /** These act on the request that has the focus, and on no other. */
  approve: 'aether:approval-approve',
  readApproval: 'aether:approval-read',
  editApproval: 'aether:approval-edit',
  refuse: 'aether:approval-refuse',
  /** Arguments: `option` (from 1). */
  answer: 'aether:approval-answer'
} as const;

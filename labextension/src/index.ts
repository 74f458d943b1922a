/** The plugins of the extension; nothing else. */
import client from './api';
import cell from './cell';
import commands from './commands';
import notifications from './notifications';
import agent from './panels/agent';
import approvals from './panels/approvals';
import browser from './panels/browser';
import desktop from './panels/desktop';
import memory from './panels/memory';
import keys from './panels/keys';
import missionControl from './panels/missionControl';
import sidebar from './panels/sidebar';
import running from './running';
import store from './state';
import status from './status';

export default [
  client,
  store,
  commands,
  missionControl,
  sidebar,
  agent,
  desktop,
  browser,
  approvals,
  memory,
  keys,
  cell,
  notifications,
  status,
  running
];

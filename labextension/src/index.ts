/** The plugins of the extension; nothing else. */
import client from './api';
import commands from './commands';
import agent from './panels/agent';
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
  agent,
  sidebar,
  status,
  running
];

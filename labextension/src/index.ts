/** The plugins of the extension; nothing else. */
import client from './api';
import commands from './commands';
import missionControl from './panels/missionControl';
import store from './state';

export default [client, store, commands, missionControl];

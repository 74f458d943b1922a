/** The plugins of the extension; nothing else. */
import client from './api';
import store from './state';

export default [client, store];

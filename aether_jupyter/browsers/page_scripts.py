"""What is run inside of pages to read them: functions in JavaScript, each with what it gives."""

from __future__ import annotations

QUIET = """([quiet, most]) => new Promise(done => {
  let timer;
  const watch = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(end, quiet); });
  const end = () => { watch.disconnect(); clearTimeout(timer); clearTimeout(last); done(); };
  const last = setTimeout(end, most);
  timer = setTimeout(end, quiet);
  watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
})"""
"""Returns when nothing was changed in the document for `quiet` ms, or after `most`."""

SCROLLED = """() => {
  const page = document.scrollingElement || document.documentElement;
  return [Math.round(page.scrollTop), window.innerHeight, page.scrollHeight];
}"""
"""How far the page is scrolled, how much of it is shown, and how high it is, in CSS pixels."""

SAVE = """() => {
  const link = document.createElement('a');
  link.href = location.href;
  link.download = '';
  (document.body || document.documentElement).append(link);
  link.click();
  link.remove();
}"""
"""Has the browser download the document itself."""

_WALK = """
  const children = node => node.shadowRoot ? node.shadowRoot.childNodes
    : node.localName === 'slot' && node.assignedNodes().length ? node.assignedNodes() : node.childNodes;
  const hidden = node => ['script', 'style', 'noscript', 'template', 'head', 'svg'].includes(node.localName)
    || (node.checkVisibility && getComputedStyle(node).display !== 'contents' && !node.checkVisibility());
"""

TEXT = (
    """root => {"""
    + _WALK
    + """
  const rows = [];
  let row = '';
  const end = () => { const text = row.replace(/\\s+/g, ' ').trim(); if (text) rows.push(text); row = ''; };
  const walk = node => {
    if (node.nodeType === Node.TEXT_NODE) { row += node.data; return; }
    if (node.nodeType !== Node.ELEMENT_NODE || hidden(node)) return;
    const name = node.localName, style = getComputedStyle(node);
    if (name === 'br') return end();
    if (name === 'img') { if (node.alt) row += ` [${node.alt}] `; return; }
    if (name === 'input' || name === 'textarea') {
      if (node.type !== 'hidden' && node.type !== 'password' && node.value) row += ` [${node.value}] `;
      return;
    }
    if (name === 'select') { row += ` [${[...node.selectedOptions].map(o => o.text).join(', ')}] `; return; }
    const cell = style.display === 'table-cell';
    const block = !cell && !style.display.startsWith('inline') && style.display !== 'contents';
    if (block) end();
    else if (style.display.startsWith('inline-')) row += ' ';
    for (const child of children(node)) walk(child);
    if (block) end();
    if (cell) row += ' | ';
    else if (style.display.startsWith('inline-')) row += ' ';
  };
  walk(root.body || root);
  end();
  return rows.map(text => text.replace(/( \\|)+$/, ''));
}"""
)
"""The text of an element as it is seen, a line a block; what is in open shadow roots included."""

LINKS = (
    """root => {"""
    + _WALK
    + """
  const rows = new Set();
  const walk = node => {
    if (node.nodeType !== Node.ELEMENT_NODE || hidden(node)) return;
    if (node.localName === 'a' && node.href) {
      const text = (node.innerText || node.getAttribute('aria-label') || node.title || '').replace(/\\s+/g, ' ').trim();
      rows.add(`${text.slice(0, 150) || '(no text)'} -> ${node.href}`);
    }
    for (const child of children(node)) walk(child);
  };
  walk(root);
  return [...rows];
}"""
)
"""Links as `text -> address`, each once."""

OPTIONS = """function () {
  if (this.multiple || this.size > 1 || this.disabled) return null;
  this.focus();
  const options = [...this.options].map(option => ({
    label: option.label || option.text,
    disabled: option.disabled || !!(option.parentElement.localName === 'optgroup' && option.parentElement.disabled),
    group: option.parentElement.localName === 'optgroup' ? option.parentElement.label : ''
  }));
  return {options, chosen: this.selectedIndex};
}"""
"""Of a `select`: its options and which is chosen; null where they are shown on the page, or cannot be chosen."""

CHOOSE = """function (index) {
  if (!this.isConnected || index === this.selectedIndex || !this.options[index]) return;
  this.selectedIndex = index;
  this.dispatchEvent(new Event('input', {bubbles: true, composed: true}));
  this.dispatchEvent(new Event('change', {bubbles: true}));
}"""
"""Chooses the option at `index` of a `select`, as a person would."""

CHOSEN = """() => {
  if (!document.hasFocus()) return '';
  let field = document.activeElement;
  while (field && field.shadowRoot && field.shadowRoot.activeElement) field = field.shadowRoot.activeElement;
  if (field && 'selectionStart' in field && field.type !== 'password') {
    const {value, selectionStart, selectionEnd} = field;
    if (selectionStart !== null && selectionEnd > selectionStart) return value.slice(selectionStart, selectionEnd);
  }
  return String(window.getSelection() || '');
}"""
"""The text that is chosen in a frame that has the focus; of a password field, nothing."""

SAY = "aetherRetitled"

RETITLED = f"""(() => {{
  if (window.top !== window) return;
  let told = document.title, timer = 0;
  const look = () => {{
    timer = 0;
    if (document.title === told) return;
    told = document.title;
    {SAY}('');
  }};
  const changed = () => {{ timer = timer || setTimeout(look, 100); }};
  const watch = () => {{
    changed();
    new MutationObserver(changed).observe(document.head, {{subtree: true, childList: true, characterData: true}});
  }};
  if (document.head && document.readyState !== 'loading') watch();
  else addEventListener('DOMContentLoaded', watch);
}})()"""
"""Calls the function `SAY` when the document has another title, ten times a second at most."""

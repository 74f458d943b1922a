/** The icons: 16 by 16, drawn with the colour of the text they stand beside. */
import * as React from 'react';

const PATHS = {
  aether:
    'M8 2.2c.6 3.4 2 5 5.6 5.8C10 8.8 8.6 10.4 8 13.8 7.4 10.4 6 8.8 2.4 8 6 7.2 7.4 5.6 8 2.2Z',
  thought:
    'M3 3.5h10a1 1 0 0 1 1 1v5.5a1 1 0 0 1-1 1H7l-3 2.5V11H3a1 1 0 0 1-1-1V4.5a1 1 0 0 1 1-1Z',
  action: 'M9 1.8 3.5 9H8l-1 5.2L12.5 7H8Z',
  observation:
    'M1.5 8C3 5 5.2 3.6 8 3.6S13 5 14.5 8C13 11 10.8 12.4 8 12.4S3 11 1.5 8ZM10 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0Z',
  approval: 'M8 2 3 3.8V8c0 3 2 5 5 6.2C11 13 13 11 13 8V3.8Z',
  message:
    'M13.7 8A5.7 5.7 0 1 1 2.3 8a5.7 5.7 0 0 1 11.4 0ZM5.3 7h5.4M5.3 9.3h3.4',
  error: 'M8 2.3 14 13H2ZM8 6.5v3M8 11.3v.1',
  chevronDown: 'm4 6 4 4 4-4',
  chevronUp: 'm4 10 4-4 4 4',
  chevronRight: 'm6 4 4 4-4 4',
  chevronLeft: 'm10 4-4 4 4 4',
  more: 'M3.5 7.5v1M3 8h1M8 7.5v1M7.5 8h1M12.5 7.5v1M12 8h1',
  close: 'm4 4 8 8M12 4l-8 8',
  check: 'm3 8.5 3.3 3.3L13 4.8',
  plus: 'M8 3v10M3 8h10',
  search: 'M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0ZM10.5 10.5l3 3',
  grid: 'M3.3 2.5h2.9a.8.8 0 0 1 .8.8v2.9a.8.8 0 0 1-.8.8H3.3a.8.8 0 0 1-.8-.8V3.3a.8.8 0 0 1 .8-.8ZM9.8 2.5h2.9a.8.8 0 0 1 .8.8v2.9a.8.8 0 0 1-.8.8H9.8a.8.8 0 0 1-.8-.8V3.3a.8.8 0 0 1 .8-.8ZM3.3 9h2.9a.8.8 0 0 1 .8.8v2.9a.8.8 0 0 1-.8.8H3.3a.8.8 0 0 1-.8-.8V9.8a.8.8 0 0 1 .8-.8ZM9.8 9h2.9a.8.8 0 0 1 .8.8v2.9a.8.8 0 0 1-.8.8H9.8a.8.8 0 0 1-.8-.8V9.8a.8.8 0 0 1 .8-.8Z',
  table: 'M2.5 4h11M2.5 8h11M2.5 12h11',
  database:
    'M13 4c0 1-2.2 1.8-5 1.8S3 5 3 4s2.2-1.8 5-1.8S13 3 13 4ZM3 4v8c0 1 2.2 1.8 5 1.8s5-.8 5-1.8V4M3 8c0 1 2.2 1.8 5 1.8S13 9 13 8',
  list: 'M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.6M2.5 8h.6M2.5 12h.6',
  notebook:
    'M4.5 2H12a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4.5a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1ZM6 2v12M2.3 5h2.4M2.3 8h2.4M2.3 11h2.4',
  sandbox:
    'M8 1.8 2.6 4.7v6.6L8 14.2l5.4-2.9V4.7ZM2.6 4.7 8 7.6l5.4-2.9M8 7.6v6.6',
  terminal:
    'M3 3h10a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1ZM4.5 6l2 2-2 2M8.5 10.3h3',
  globe:
    'M13.8 8A5.8 5.8 0 1 1 2.2 8a5.8 5.8 0 0 1 11.6 0ZM2.2 8h11.6M8 2.2c2.2 2 2.2 9.6 0 11.6-2.2-2-2.2-9.6 0-11.6',
  person:
    'M10.6 5.2a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0ZM2.8 13.5c.6-3 2.6-4.2 5.2-4.2s4.6 1.2 5.2 4.2',
  people:
    'M8.3 5.4a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0ZM1.8 13c.4-2.6 2-3.7 4.2-3.7s3.8 1.1 4.2 3.7M10.4 3.4a2.2 2.2 0 0 1 0 4M11.8 9.6c1.4.5 2.2 1.6 2.4 3.4',
  clock: 'M13.6 8A5.6 5.6 0 1 1 2.4 8a5.6 5.6 0 0 1 11.2 0ZM8 4.8V8l2.2 1.6',
  money:
    'M13.5 8a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0ZM9.8 6.2c-.4-.7-3.4-1-3.4.6 0 1.8 3.6.7 3.6 2.5 0 1.6-3.2 1.4-3.8.4M8 4.6v6.8',
  file: 'M9 2H4.5a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h7a1 1 0 0 0 1-1V5.5Zm0 0v3.5h3.5',
  folder:
    'M2 4.5a1 1 0 0 1 1-1h3l1.5 1.7H13a1 1 0 0 1 1 1V12a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1Z',
  edit: 'M10.8 2.8 13.2 5.2 5.6 12.8l-3 .6.6-3Z',
  send: 'M2.5 8 13.5 2.8 10.4 13.4 7.8 9Zm5.3 1 2.7-3',
  open: 'M9.5 2.5h4v4M13.5 2.5l-4.5 4.5M6.5 13.5h-4v-4M2.5 13.5 7 9',
  bell: 'M3.5 11.5c1-.9 1.2-2 1.2-4 0-2.5 1.3-4 3.3-4s3.3 1.5 3.3 4c0 2 .2 3.1 1.2 4ZM6.7 13.5h2.6',
  settings:
    'M2.5 5h6.2M11.9 5h1.6M2.5 11h2.1M7.8 11h5.7M11.9 5a1.6 1.6 0 1 1-3.2 0 1.6 1.6 0 0 1 3.2 0ZM7.8 11a1.6 1.6 0 1 1-3.2 0 1.6 1.6 0 0 1 3.2 0Z',
  download: 'M8 2.5v7.5M5 7.3l3 3 3-3M3 13.3h10',
  copy: 'M6.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1ZM10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2',
  link: 'M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.2 6.8a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7l.9-.9',
  trash: 'M2.8 4.5h10.4M6 4.5v-2h4v2M4.2 4.5l.6 9h6.4l.6-9M6.8 7v4M9.2 7v4',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.2v9.6L12.5 8Z',
  interrupt:
    'M5 4h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1Z',
  terminate: 'M8 2.5V8M4.8 4.6a4.6 4.6 0 1 0 6.4 0',
  refresh:
    'M13 7.5A5 5 0 0 0 4 5L2.6 6.4M2.6 3v3.4H6M3 8.5A5 5 0 0 0 12 11l1.4-1.4M13.4 13V9.6H10',
  pulse: 'M1.5 8.5h3l1.7-5 3 9.5 1.8-4.5h3.5',
  layers: 'M8 2 2 5.2 8 8.4l6-3.2ZM2.4 8.3 8 11.2l5.6-2.9M2.4 11 8 14l5.6-3',
  pin: 'M6 2.5h4l-.4 4 2 2.3H4.4l2-2.3ZM8 9v4.8',
  book: 'M8 4C6.5 2.8 4.3 2.6 2.3 3v9.6c2-.4 4.2-.2 5.7 1 1.5-1.2 3.7-1.4 5.7-1V3C11.7 2.6 9.5 2.8 8 4Zm0 0v9.6',
  merge:
    'M4 2.5v3.2c0 2.6 4 2.7 4 5.3v2.5M12 2.5v3.2c0 2.6-4 2.7-4 5.3m-2.2.7L8 13.9l2.2-2.2',
  upload: 'M8 10.2V2.7M5 5.4l3-3 3 3M3 13.3h10',
  undo: 'M3 6.5h6.2a3.6 3.6 0 0 1 0 7.2H6M5.8 3.5 2.8 6.5l3 3'
} as const;

export type IconName = keyof typeof PATHS;

/** The path of an icon, for places that draw their own SVG. */
export function iconPath(name: IconName): string {
  return PATHS[name];
}

/** One icon. Without `label` it is decoration and hidden from screen readers. */
export function Icon(props: {
  name: IconName;
  size?: 12 | 14 | 16 | 20;
  label?: string;
}): React.JSX.Element {
  const { name, size = 16, label } = props;
  const access = label
    ? ({ role: 'img', 'aria-label': label } as const)
    : ({ 'aria-hidden': true } as const);
  return (
    <svg
      className={size === 16 ? 'ae-i' : `ae-i s${size}`}
      viewBox="0 0 16 16"
      focusable="false"
      {...access}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

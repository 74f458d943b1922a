/** Takes an agent's memories away as a folder of Markdown, and brings them back. */
import * as React from 'react';

import type { ImportReport } from '../../api/types';
import { Button, Icon, useWords } from '../../ui';
import { useServices } from '../services';
import { ImportDialog } from './ImportDialog';

export function Transfer(props: {
  agent: string;
  onImported: (report: ImportReport) => void;
}): React.JSX.Element {
  const trans = useWords();
  const { client } = useServices();
  const { agent } = props;
  const input = React.useRef<HTMLInputElement>(null);
  const [file, setFile] = React.useState<File | null>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        accept=".zip,application/zip"
        hidden
        aria-label={trans.__('A zip of memories')}
        onChange={event => {
          setFile(event.currentTarget.files?.[0] ?? null);
          // The same file, edited meanwhile, can be chosen again.
          event.currentTarget.value = '';
        }}
      />
      <Button
        kind="quiet"
        small
        icon="upload"
        label={trans.__('Import a zip of Markdown')}
        onClick={() => input.current?.click()}
      >
        <span className="hide-n">{trans.__('Import')}</span>
      </Button>
      <a
        className="ae-btn quiet small"
        href={client.memoriesExportUrl(agent)}
        download
        title={trans.__('All that it remembers, as a zip of Markdown files')}
        aria-label={trans.__('Export as Markdown')}
      >
        <Icon name="download" size={12} />
        <span className="hide-n">{trans.__('Export as Markdown')}</span>
      </a>
      {file && (
        <ImportDialog
          agent={agent}
          file={file}
          onDone={report => {
            setFile(null);
            props.onImported(report);
          }}
          onClose={() => setFile(null)}
        />
      )}
    </>
  );
}

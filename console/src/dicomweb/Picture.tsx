// SPDX-License-Identifier: Apache-2.0
import { Box } from '@mantine/core';
import { useEffect, useState } from 'react';
import { ask, token } from '../api/http';

interface Props {
  src: string;
  size: number;
  alt?: string;
}

/** A picture of the server; nothing where there is none (a report has no pixels).  Decoration unless it has an alt. */
export function Picture({ src, size, alt = '' }: Props) {
  const [failed, setFailed] = useState<string | null>(null);
  const url = useProtected(src);

  return (
    <Box w={size} h={size} style={{ display: 'grid', placeItems: 'center', background: '#000' }}>
      {url && failed !== url ? (
        <img
          src={url}
          alt={alt}
          loading="lazy"
          decoding="async"
          style={{ maxWidth: '100%', maxHeight: '100%' }}
          onError={() => setFailed(url)}
        />
      ) : null}
    </Box>
  );
}

/** An <img> sends no token: where one is needed the picture is fetched by us. */
function useProtected(src: string): string | null {
  const [blob, setBlob] = useState<string | null>(null);
  const needsToken = token.get() !== null;

  useEffect(() => {
    if (!needsToken) return;
    const controller = new AbortController();
    let made: string | undefined;
    ask(src, { signal: controller.signal })
      .then((response) => response.blob())
      .then((data) => {
        made = URL.createObjectURL(data);
        setBlob(made);
      })
      .catch(() => setBlob(null));
    return () => {
      controller.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [src, needsToken]);
  return needsToken ? blob : src;
}

// upload.js - photos from a file box, a drop, or a folder that is dropped: a folder of folders names the classes.
import { S, send, post, loadState, update, t, classes } from './core.js';

const isPhoto = (f) => f.type.startsWith('image/') || /\.(jpe?g|png|webp|heic|heif|avif|tiff?|gif|bmp|dng|cr2|nef|arw)$/i.test(f.name);

const walk = async (entry, folder, out) => {
  if (entry.isFile) {
    const file = await new Promise((ok, no) => entry.file(ok, no));
    if (isPhoto(file)) out.push({ file, folder });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((ok, no) => reader.readEntries(ok, no));
    if (!some.length) break;
    for (const e of some) await walk(e, entry.name, out);
  }
};

export const dropped = async (transfer) => {
  const out = [];
  const entries = [...transfer.items].map((i) => i.webkitGetAsEntry?.()).filter(Boolean);
  for (const e of entries) await walk(e, null, out);
  return out;
};
export const chosen = (files) => [...files].filter(isPhoto).map((file) => ({ file, folder: file.webkitRelativePath?.split('/').at(-2) ?? null }));

const numberOf = async (name) => {
  const known = classes().find((c) => c.name === name);
  if (known) return known.class;
  const n = S.project.classes.length;
  await post('/edits', { edits: [{ class: n, name }] });
  await loadState();
  return n;
};

// Returns how many came in anew, were there already, and could not be used.
export const upload = async (photos, told) => {
  const sum = { added: 0, copies: 0, refused: 0 };
  const folders = new Set(photos.map((p) => p.folder));
  for (let i = 0; i < photos.length; i++) {
    const { file, folder } = photos[i];
    const at = folder && folders.size > 1 ? `?class=${await numberOf(folder)}` : '';
    try {
      const a = await (await send('PUT', `/photo${at}`, file)).json();
      sum[a.copy ? 'copies' : 'added']++;
    } catch (e) {
      if (e.key !== 'not_a_photo' && e.key !== 'too_large') throw e;
      sum.refused++;
    }
    told?.(i + 1, photos.length);
  }
  await loadState();
  update({ said: t('start.added', { n: sum.added }) });
  return sum;
};

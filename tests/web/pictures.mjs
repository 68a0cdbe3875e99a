// pictures.mjs - photos for the tests and the screenshots, drawn here: fruit on a cloth, each a little different.
export const drawFruit = (page, kind, count, side = 160) =>
  page.evaluate(
    async (kind, count, side) => {
      let seed = kind.length * 7919 + kind.charCodeAt(0);
      const random = () => ((seed = (seed * 1664525 + 1013904223) >>> 0) / 4294967296);
      const out = [];
      for (let i = 0; i < count; i++) {
        const c = document.createElement('canvas');
        c.width = c.height = side;
        const g = c.getContext('2d');
        g.fillStyle = `hsl(${random() * 360} ${15 + random() * 20}% ${72 + random() * 18}%)`;
        g.fillRect(0, 0, side, side);
        g.fillStyle = 'rgb(255 255 255 / 0.18)';
        for (let k = 0; k < 9; k++) g.fillRect(0, k * side / 9, side, side / 30);
        const x = side * (0.42 + random() * 0.16), y = side * (0.46 + random() * 0.12), r = side * (0.24 + random() * 0.08);
        g.translate(x, y);
        g.rotate((random() - 0.5) * 0.9);
        g.fillStyle = 'rgb(0 0 0 / 0.16)';
        g.beginPath();
        g.ellipse(r * 0.1, r * 0.95, r, r * 0.24, 0, 0, 7);
        g.fill();
        const hue = { apple: 2, lemon: 52, plum: 278 }[kind] + random() * 10 - 5;
        const wide = { apple: 1.02, lemon: 1.22, plum: 0.86 }[kind];
        const light = g.createRadialGradient(-r * 0.4, -r * 0.4, r * 0.1, 0, 0, r * 1.25);
        light.addColorStop(0, `hsl(${hue} 85% 74%)`);
        light.addColorStop(1, `hsl(${hue} 72% 38%)`);
        g.fillStyle = light;
        g.beginPath();
        g.ellipse(0, 0, r * wide, r * 0.94, 0, 0, 7);
        if (kind === 'lemon') for (const s of [-1, 1]) g.ellipse(s * r * 1.2, 0, r * 0.16, r * 0.14, 0, 0, 7);
        g.fill();
        if (kind !== 'lemon') {
          g.strokeStyle = '#5a3a1e';
          g.lineWidth = side / 40;
          g.beginPath();
          g.moveTo(0, -r * 0.8);
          g.quadraticCurveTo(r * 0.1, -r * 1.2, r * 0.25, -r * 1.3);
          g.stroke();
          g.fillStyle = '#4d8b3a';
          g.beginPath();
          g.ellipse(r * 0.42, -r * 1.08, r * 0.28, r * 0.12, 0.5, 0, 7);
          if (kind === 'apple') g.fill();
        }
        out.push(c.toDataURL('image/jpeg', 0.9).split(',')[1]);
      }
      return out;
    },
    kind,
    count,
    side,
  );

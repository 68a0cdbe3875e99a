// Runs a Teachable Machine folder as a page made for it does: node check_teachable.js FOLDER PIXELS, where PIXELS are
// imageSize x imageSize red, green, blue bytes, a picture after the other. Prints the probabilities as JSON.
// The exit code is 77 where TensorFlow.js is not installed.
const fs = require('fs');
const path = require('path');
let tf;
try {
  tf = require('@tensorflow/tfjs');
} catch (e) {
  process.exit(77);
}

async function main(folder, pixels) {
  const read = (name) => fs.readFileSync(path.join(folder, name));
  const model = JSON.parse(read('model.json')), metadata = JSON.parse(read('metadata.json'));
  const shards = model.weightsManifest.flatMap((g) => g.paths.map(read));
  const data = Buffer.concat(shards);
  const network = await tf.loadLayersModel({
    load: async () => ({
      modelTopology: model.modelTopology,
      weightSpecs: model.weightsManifest.flatMap((g) => g.weights),
      weightData: data.buffer.slice(data.byteOffset, data.byteOffset + data.length),
    }),
  });
  const side = metadata.imageSize, bytes = fs.readFileSync(pixels), each = side * side * 3, answers = [];
  for (let at = 0; at + each <= bytes.length; at += each) {
    const p = tf.tidy(() => {
      const picture = tf.tensor(new Int32Array(bytes.subarray(at, at + each)), [1, side, side, 3], 'int32');
      return network.predict(picture.toFloat().div(tf.scalar(127)).sub(tf.scalar(1)));
    });
    answers.push(Array.from(await p.data()));
    p.dispose();
    if (answers[answers.length - 1].length !== metadata.labels.length) throw new Error('labels do not fit');
  }
  console.log(JSON.stringify(answers));
}

main(process.argv[2], process.argv[3]).catch((e) => {
  console.error(e.message);
  process.exit(1);
});

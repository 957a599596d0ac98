"""Writes tests/golden/search: .npy files as numpy writes them, in each format version, a folder in clip-retrieval's layout, the
nearest neighbors that faiss finds among its rows, and an inverted file of codes that faiss made, with what it finds by the codes."""
import json
import pathlib

import faiss
import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "search"
ROWS, QUERIES, DIMS, K = 96, 8, 20, 10


def unit_rows(count, seed):
    rows = np.random.default_rng(seed).standard_normal((count, DIMS)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_npy(path, array, version):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.lib.format.write_array(file, array, version=version)


def write_ivfpq():
    """An IndexIVFPQ by inner product: its centroids (of fp16 numbers, as an index of cloob has them), codebooks, lists and codes."""
    count, dims, lists, code_bytes, probes = 320, 8, 4, 2, 2
    rng = np.random.default_rng(5)
    rows = (rng.standard_normal((count, dims)) + 2 * rng.standard_normal((8, dims))[rng.integers(8, size=count)]).astype(np.float32)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    queries = rows[:6] + 0.3 * rng.standard_normal((6, dims)).astype(np.float32)
    kmeans = faiss.Kmeans(dims, lists, spherical=True, seed=1)
    kmeans.train(rows)
    centroids = kmeans.centroids.astype(np.float16).astype(np.float32)
    quantizer = faiss.IndexFlatIP(dims)
    quantizer.add(centroids)
    index = faiss.IndexIVFPQ(quantizer, dims, lists, code_bytes, 8, faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    index.add(rows)
    index.nprobe = probes
    assert index.by_residual
    scores, found = index.search(queries, K)
    ids = [faiss.rev_swig_ptr(index.invlists.get_ids(i), index.invlists.list_size(i)).copy() for i in range(lists)]
    codes = [faiss.rev_swig_ptr(index.invlists.get_codes(i), index.invlists.list_size(i) * code_bytes).copy() for i in range(lists)]
    codebooks = faiss.vector_to_array(index.pq.centroids).reshape(code_bytes, 256, dims // code_bytes)
    short = lambda numbers: [float(f"{number:.8g}") for number in np.asarray(numbers, dtype=np.float64).ravel()]
    (OUT / "ivfpq.json").write_text(json.dumps({
        "probes": probes, "rows": short(rows), "queries": short(queries), "centroids": short(centroids),
        "codebooks": short(codebooks.transpose(0, 2, 1)), "offsets": [0, *np.cumsum([len(i) for i in ids]).tolist()],
        "ids": np.concatenate(ids).tolist(), "codes": np.concatenate(codes).tolist(),
        "found": found.tolist(), "scores": [short(row) for row in scores]}, separators=(",", ":")) + "\n")


def main():
    write_ivfpq()
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4) / 8 - 0.5
    for version in (1, 2, 3):
        write_npy(OUT / f"version_{version}.npy", numbers.astype(np.float16), (version, 0))
    write_npy(OUT / "float32.npy", numbers, (1, 0))
    write_npy(OUT / "fortran.npy", np.asfortranarray(numbers), (1, 0))
    write_npy(OUT / "float64.npy", numbers.astype(np.float64), (1, 0))
    write_npy(OUT / "big_endian.npy", numbers.astype(">f4"), (1, 0))
    write_npy(OUT / "cube.npy", numbers.reshape(3, 2, 2), (1, 0))

    images, texts, queries = unit_rows(ROWS, 1).astype(np.float16), unit_rows(ROWS, 2).astype(np.float16), unit_rows(QUERIES, 3)
    folder = OUT / "clip_retrieval"
    split = ROWS * 2 // 3
    for number, rows in enumerate((slice(0, split), slice(split, ROWS))):
        write_npy(folder / "img_emb" / f"img_emb_{number}.npy", images[rows], (1, 0))
        write_npy(folder / "text_emb" / f"text_emb_{number}.npy", texts[rows], (1, 0))
        (folder / "metadata").mkdir(exist_ok=True)
        lines = [json.dumps({"image_path": f"images/{i}.jpg", "caption": f"caption {i}", "width": 640}) for i in range(ROWS)[rows]]
        (folder / "metadata" / f"metadata_{number}.jsonl").write_text("\n".join(lines) + "\n")

    index = faiss.IndexFlatIP(DIMS)
    index.add(images.astype(np.float32))
    scores, rows = index.search(queries, K)
    (OUT / "faiss.json").write_text(json.dumps({
        "queries": queries.tolist(), "rows": rows.tolist(), "scores": scores.astype(np.float64).tolist()}) + "\n")


if __name__ == "__main__":
    main()

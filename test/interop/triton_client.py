"""NVIDIA's tritonclient, http, grpc and their asyncio variants, unmodified."""
import asyncio

import ml_dtypes
import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from tritonclient.utils import InferenceServerException

from checks import check, main, options

GIVEN = options()
HTTP, GRPC, ADMIN, TOKEN = GIVEN["http"], GIVEN["grpc"], GIVEN["admin"], GIVEN["token"]
BEARER = {"authorization": f"Bearer {TOKEN}"}
http = triton_http.InferenceServerClient(HTTP)
grpc = triton_grpc.InferenceServerClient(GRPC)
admin = triton_http.InferenceServerClient(ADMIN)
FLOWERS = np.array([[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]], np.float32)
TYPES = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}


def every_value():
    values = {name: np.array([[0, 1, 1]]).astype(dtype) for name, dtype in TYPES.items()}
    values["FP16"] = np.array([[0.5, -2, 65504]], np.float16)
    values["BF16"] = np.array([[0.5, -2, 2.0**127 * (2 - 2**-7)]], ml_dtypes.bfloat16)
    values["INT64"] = np.array([[-(2**63), 2**63 - 1, 2**53 + 1]], np.int64)
    values["BYTES"] = np.array([["naïve".encode(), b"", b"x"]], np.object_)
    return values


def inputs_of(module, values, **binary):
    inputs = []
    for name, value in values.items():
        datatype = name.removeprefix("in_") if name != "input" else "FP32"
        tensor = module.InferInput(name, list(value.shape), datatype)
        tensor.set_data_from_numpy(value, **binary)
        inputs.append(tensor)
    return inputs


def flowers(module, **binary):
    return inputs_of(module, {"input": FLOWERS}, **binary)


def expect_labels(result):
    assert result.as_numpy("label").tolist() == [0, 2], result.as_numpy("label")
    assert result.as_numpy("probabilities").shape == (2, 3)


@check
def http_health_and_metadata():
    assert http.is_server_live() and http.is_server_ready()
    assert http.is_model_ready("iris") and http.is_model_ready("iris", "1")
    assert not http.is_model_ready("rose")
    assert "binary_tensor_data" in http.get_server_metadata()["extensions"]
    metadata = http.get_model_metadata("iris")
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}], metadata
    assert http.get_model_config("iris")["max_batch_size"] == 32


@check
def http_infer_json():
    inputs = flowers(triton_http, binary_data=False)
    outputs = [triton_http.InferRequestedOutput(name, binary_data=False) for name in ("label", "probabilities")]
    result = http.infer("iris", inputs, outputs=outputs, request_id="42")
    expect_labels(result)
    assert result.get_response()["id"] == "42"


@check
def http_infer_binary():
    expect_labels(http.infer("iris", flowers(triton_http, binary_data=True)))
    mixed = [triton_http.InferRequestedOutput("label"), triton_http.InferRequestedOutput("probabilities", binary_data=False)]
    expect_labels(http.infer("iris", flowers(triton_http), outputs=mixed))


@check
def http_infer_every_datatype():
    values = every_value()
    result = http.infer("every", inputs_of(triton_http, {f"in_{name}": value for name, value in values.items()}))
    for name, value in values.items():
        assert (result.as_numpy(f"out_{name}") == value).all(), name


@check
def http_infer_nothing():
    values = {f"in_{name}": value[:, :0] for name, value in every_value().items()}
    result = http.infer("every", inputs_of(triton_http, values))
    assert result.as_numpy("out_FP32").shape == (1, 0)


@check
def http_infer_compressed():
    for algorithm in ("gzip", "deflate"):
        expect_labels(http.infer("iris", flowers(triton_http), request_compression_algorithm=algorithm))
    expect_labels(http.infer("iris", flowers(triton_http), response_compression_algorithm="gzip"))


@check
def http_infer_with_priority_and_timeout():
    expect_labels(http.infer("iris", flowers(triton_http), priority=1, timeout=60_000_000))


@check
def http_async_infer():
    pending = [http.async_infer("iris", flowers(triton_http)) for _ in range(4)]
    for each in pending:
        expect_labels(each.get_result())


@check
async def http_asyncio():
    async with triton_http_aio.InferenceServerClient(HTTP) as client:
        results = await asyncio.gather(*(client.infer("iris", flowers(triton_http)) for _ in range(4)))
    for each in results:
        expect_labels(each)


@check
def http_errors():
    for name, inputs, status in (("rose", flowers(triton_http), "404"), ("iris", [], "400")):
        try:
            http.infer(name, inputs)
        except InferenceServerException as error:
            assert error.status() == status and error.message(), error
        else:
            raise AssertionError(f"{name} was answered")


@check
def http_statistics():
    (statistics,) = http.get_inference_statistics("iris")["model_stats"]
    assert statistics["inference_count"] > 0 and statistics["inference_stats"]["success"]["count"] > 0
    assert len(http.get_inference_statistics()["model_stats"]) >= 1


@check
def http_repository():
    index = admin.get_model_repository_index(headers=BEARER)
    assert {"name": "iris", "version": "1", "state": "READY", "reason": ""} in index, index
    admin.unload_model("words", headers=BEARER)
    assert not http.is_model_ready("words")
    states = {each["name"]: each["state"] for each in admin.get_model_repository_index(headers=BEARER)}
    assert states["words"] == "UNAVAILABLE" and states["iris"] == "READY", states
    admin.load_model("words", headers=BEARER)
    assert http.is_model_ready("words")
    try:
        admin.get_model_repository_index()
    except InferenceServerException as error:
        assert error.status() == "401", error
    else:
        raise AssertionError("the repository was shown without the token")


@check
def grpc_health_and_metadata():
    assert grpc.is_server_live() and grpc.is_server_ready() and grpc.is_model_ready("iris")
    assert "binary_tensor_data" in grpc.get_server_metadata().extensions
    metadata = grpc.get_model_metadata("iris")
    assert metadata.platform == "onnx_onnxv1" and list(metadata.inputs[0].shape) == [-1, 4]
    config = grpc.get_model_config("iris").config
    assert config.max_batch_size == 32 and config.backend == "onnxruntime", config
    assert config.input[0].data_type == 11 and list(config.input[0].dims) == [4], config
    assert config.HasField("dynamic_batching")


@check
def grpc_infer():
    result = grpc.infer("iris", flowers(triton_grpc), request_id="42")
    expect_labels(result)
    assert result.get_response().id == "42"
    expect_labels(grpc.infer("iris", flowers(triton_grpc), model_version="1", priority=1, client_timeout=60))


@check
def grpc_infer_every_datatype():
    values = every_value()
    result = grpc.infer("every", inputs_of(triton_grpc, {f"in_{name}": value for name, value in values.items()}))
    for name, value in values.items():
        assert (result.as_numpy(f"out_{name}") == value).all(), name


@check
def grpc_stream():
    answers = []
    grpc.start_stream(callback=lambda result, error: answers.append(error or result))
    for number in range(4):
        grpc.async_stream_infer("iris", flowers(triton_grpc), request_id=str(number))
    grpc.stop_stream()
    assert [each.get_response().id for each in answers] == ["0", "1", "2", "3"], answers
    for each in answers:
        expect_labels(each)


@check
async def grpc_asyncio():
    async with triton_grpc_aio.InferenceServerClient(GRPC) as client:
        results = await asyncio.gather(*(client.infer("iris", flowers(triton_grpc)) for _ in range(4)))
    for each in results:
        expect_labels(each)


@check
def grpc_errors():
    for name, inputs, status in (
        ("rose", flowers(triton_grpc), "StatusCode.NOT_FOUND"),
        ("iris", [], "StatusCode.INVALID_ARGUMENT"),
    ):
        try:
            grpc.infer(name, inputs)
        except InferenceServerException as error:
            assert error.status() == status and error.message(), error
        else:
            raise AssertionError(f"{name} was answered")


@check
def grpc_statistics():
    statistics = grpc.get_inference_statistics("iris").model_stats[0]
    assert statistics.inference_count > 0 and statistics.inference_stats.success.count > 0
    assert statistics.batch_stats[0].batch_size > 0


@check
def grpc_repository():
    index = grpc.get_model_repository_index(headers=BEARER).models
    assert [(each.name, each.version, each.state) for each in index if each.name == "iris"] == [("iris", "1", "READY")]
    grpc.unload_model("words", headers=BEARER)
    assert not grpc.is_model_ready("words")
    grpc.load_model("words", headers=BEARER)
    assert grpc.is_model_ready("words")


main()

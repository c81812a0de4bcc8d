"""KServe's own Python clients, REST and gRPC, unmodified."""
import base64

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from checks import check, main, options

GIVEN = options()
HTTP, GRPC = f"http://{GIVEN['http']}", GIVEN["grpc"]
FLOWERS = np.array([[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]], np.float32)


def rest(protocol):
    return InferenceRESTClient(RESTConfig(protocol=protocol, verbose=False, retries=0))


def request(binary):
    tensor = InferInput("input", list(FLOWERS.shape), "FP32")
    tensor.set_data_from_numpy(FLOWERS, binary_data=binary)
    outputs = [RequestedOutput(name, {"binary_data": binary}) for name in ("label", "probabilities")]
    return InferRequest("iris", [tensor], request_id="42", request_outputs=outputs)


def expect_labels(response):
    assert response.id == "42" and response.model_name == "iris", response
    outputs = {output.name: output.as_numpy() for output in response.outputs}
    assert outputs["label"].tolist() == [0, 2], outputs
    assert outputs["probabilities"].shape == (2, 3), outputs


@check
async def rest_v1():
    client = rest("v1")
    answer = await client.infer(HTTP, {"instances": FLOWERS.tolist()}, model_name="iris")
    predictions = answer["predictions"]
    assert [each["label"] for each in predictions] == [0, 2], answer
    assert await client.is_model_ready(HTTP, "iris")
    await client.close()


@check
async def rest_v1_bytes():
    client = rest("v1")
    word = base64.b64encode("naïve".encode()).decode()
    answer = await client.infer(HTTP, {"instances": [[{"b64": word}]]}, model_name="words")
    assert answer["predictions"] == [["naïve"]], answer
    await client.close()


@check
async def rest_v2_health():
    client = rest("v2")
    assert await client.is_server_live(HTTP) and await client.is_server_ready(HTTP)
    assert await client.is_model_ready(HTTP, "iris")
    await client.close()


@check
async def rest_v2_infer_json():
    client = rest("v2")
    expect_labels(await client.infer(HTTP, request(False), model_name="iris"))
    await client.close()


@check
async def rest_v2_infer_binary():
    client = rest("v2")
    expect_labels(await client.infer(HTTP, request(True), model_name="iris"))
    await client.close()


@check
async def grpc_health():
    async with InferenceGRPCClient(GRPC) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready("iris")


@check
async def grpc_infer():
    async with InferenceGRPCClient(GRPC) as client:
        for binary in (False, True):
            expect_labels(await client.infer(request(binary)))


main()

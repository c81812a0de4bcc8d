"""KServe's own client against Pilotlight's compatibility group: create, wait, predict, delete.

Usage: kserve_client.py KUBECONFIG NAMESPACE INGRESS STORAGE_URI
Prints one JSON object with what it saw.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

from kserve import (
    InferenceRESTClient,
    InferInput,
    InferRequest,
    KServeClient,
    RESTConfig,
    V1beta1InferenceService,
    V1beta1InferenceServiceSpec,
    V1beta1ModelFormat,
    V1beta1ModelSpec,
    V1beta1PredictorSpec,
    constants,
)
from kubernetes import client

NAME = "iris-by-kserve"
FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]


def manifest(namespace, storage_uri):
    model = V1beta1ModelSpec(
        model_format=V1beta1ModelFormat(name="onnx"),
        protocol_version="v2",
        storage_uri=storage_uri,
        resources=client.V1ResourceRequirements(
            requests={"cpu": "50m", "memory": "128Mi"},
            limits={"cpu": "500m", "memory": "512Mi"},
        ),
    )
    return V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=client.V1ObjectMeta(name=NAME, namespace=namespace),
        spec=V1beta1InferenceServiceSpec(predictor=V1beta1PredictorSpec(model=model)),
    )


async def predict(host, ingress):
    tensor = InferInput(name="input", shape=[2, 4], datatype="FP32", data=FLOWERS)
    rest = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    answer = await rest.infer(
        base_url=ingress,
        data=InferRequest(model_name=NAME, infer_inputs=[tensor]),
        model_name=NAME,
        headers={"Host": host},
    )
    return next(output.data for output in answer.outputs if output.name == "label")


def main(kubeconfig, namespace, ingress, storage_uri):
    kserve = KServeClient(config_file=kubeconfig)
    kserve.create(manifest(namespace, storage_uri))
    kserve.wait_isvc_ready(NAME, namespace=namespace, timeout_seconds=120, polling_interval=1)
    seen = kserve.get(NAME, namespace=namespace)
    host = urlsplit(seen["status"]["url"]).netloc
    labels = asyncio.run(predict(host, ingress))
    kserve.delete(NAME, namespace=namespace)
    conditions = {each["type"]: each["status"] for each in seen["status"]["conditions"]}
    print(json.dumps({"apiVersion": seen["apiVersion"], "conditions": conditions, "labels": labels}))


main(*sys.argv[1:])

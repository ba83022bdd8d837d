"""The peer of the throughput: a Lambda that does nothing, behind an API of the same emulator."""

import io
import zipfile

from local.settings import REGION
from local.stack import Stack

_NAME = "trivial"
_CODE = """
def handler(event, context):
    print("answered")
    return {"statusCode": 202, "body": "{}"}
"""


def deploy(stack: Stack) -> str:
    """Its address."""
    function = stack.client("lambda").create_function(
        FunctionName=_NAME,
        Runtime="python3.13",
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/trivial",
        Code={"ZipFile": _zip()},
    )
    gateway = stack.client("apigateway")
    api = gateway.create_rest_api(name=_NAME)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    where = {
        "restApiId": api,
        "resourceId": gateway.create_resource(restApiId=api, parentId=root, pathPart="tasks")["id"],
    }
    gateway.put_method(**where, httpMethod="POST", authorizationType="NONE")
    gateway.put_integration(
        **where,
        httpMethod="POST",
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function['FunctionArn']}/invocations",
    )
    gateway.create_deployment(restApiId=api, stageName="v1")
    return f"{stack.endpoint}/_aws/execute-api/{api}/v1/tasks"


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", _CODE)
    return file.getvalue()

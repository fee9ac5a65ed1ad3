"""The malware scanner, as rules over the parsed template: optional, and able to do little."""

from __future__ import annotations

from tests.support.template_reading import Template, actions, allowed, of_type, resolved, resources_of

_OURS = {"photovault-dev-scan": "handlers.scan.handler", "photovault-dev-signatures": "handlers.signatures.handler"}
_MAY = {
    "ScanRole": {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"},
    "SignaturesRole": {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "sqs:SendMessage"},
}
_OF_EVERY_FUNCTION = ("logs:", "xray:")


def scanning(template: Template) -> list[str]:
    """Two functions of one image, made only when there is one; what opens anybody's uploads writes nothing."""
    commands = {
        resolved(template, own["Properties"]["FunctionName"]): own["Properties"]["ImageConfig"]["Command"][0]
        for _, own in of_type(template, "AWS::Lambda::Function")
    }
    found = [] if commands == _OURS else [f"functions of an image are {commands}"]
    for logical, resource in template["Resources"].items():
        if logical.startswith(("Scan", "Signatures")) and resource.get("Condition") != "HasScan":
            found.append(f"{logical} is made without an image to run")
    for name, may in _MAY.items():
        role = template["Resources"].get(name, {})
        for action, resource in allowed(template, role):
            if not action.startswith(_OF_EVERY_FUNCTION) and action not in may:
                found.append(f"{name} may {action}")
            if action == "s3:PutObject" and not resource.endswith("/clamav/*"):
                found.append(f"{name} may write {resource}")
    callers = [
        (role["Ref"], resources_of(template, statement))
        for _, policy in of_type(template, "AWS::IAM::Policy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if actions(statement) == ["lambda:InvokeFunction"]
        for role in policy["Properties"]["Roles"]
    ]
    if [role for role, asked in callers if asked == ["<ScanFunction.Arn>"]] != ["ValidateRole"]:
        found.append("not just validate may ask the scanner")
    return found

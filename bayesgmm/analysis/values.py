"""What the values of model files may be."""

from typing import Annotated, Any, Literal

from pydantic import Field

__all__ = [
    "AtLeastOne",
    "CONFIG",
    "Count",
    "EvidenceRoutes",
    "Flag",
    "ModelName",
    "NotNegative",
    "Number",
    "Share",
    "Step",
]

CONFIG: Any = {"extra": "forbid"}

AtLeastOne = Annotated[int, Field(strict=True, ge=1)]
NotNegative = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, lt=1)]
Step = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Count = Annotated[str, Field(pattern="^[1-9][0-9]{0,2}$")]
ModelName = Annotated[str, Field(pattern="^[1-9][0-9]{0,2}( [A-Za-z_]+)?$")]
EvidenceRoutes = Literal["both", "bridge", "none"]

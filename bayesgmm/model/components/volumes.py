"""What clusters share of volumes, shapes and axes of their covariances."""

from typing import Literal, NamedTuple

__all__ = ["Belongs", "Factors"]

Belongs = Literal["own", "shared", "none"]


class Factors(NamedTuple):
    """Sigma_k = lambda_k D_k A_k D_k' with factors own or shared, or axes along the features.

    lambda_k is the volume, A_k the shape and D_k the axes (Celeux and Govaert 1995, Pattern
    Recognition 28:781).
    """

    volumes: Belongs
    shapes: Belongs
    axes: Belongs

    @property
    def turned(self) -> bool:
        """Whether what is shared changes where features are measured in other units."""
        own, shared = "own", "shared"
        return (self.shapes, self.axes) in ((own, shared), (shared, own))

    def n_free(self, n_components: int, n_features: int) -> int:
        """Count the free parameters of all covariances."""
        free = {"own": n_components, "shared": 1, "none": 0}
        return (
            free[self.volumes]
            + free[self.shapes] * (n_features - 1)
            + free[self.axes] * n_features * (n_features - 1) // 2
        )

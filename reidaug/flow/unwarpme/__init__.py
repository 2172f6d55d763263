"""UnWarpME, section 4 of the paper in its order.

| section | equation | what | where |
|---|---|---|---|
| 4.1 | | warping module W with pose encoder M and flow head C_i | `warping` |
| 4.1.1 | 2 | correlation of pose features | `correlation.correlate` |
| 4.1.1 | 10 | soft mutual filter | `correlation.mutual_attention` |
| 4.1.1 | 3 | unit length over source positions | `correlation.unit_matches` |
| 4.1.1 | 10, 3 | both in this order, called by W | `correlation.filter_matches` |
| 4.1.2 | 4 | random affine map | `affine_task.random_upright_affine` |
| 4.1.2 | 5 | its inverse, the known flow | `affine_task.known_flow`, `affine_task.move_pose` |
| 4.1.2 | 8 | affine-preserving loss | `affine_task.affine_preserving_loss` |
| 4.2 | | refinement network R | `refinement.Refinement` |
| 4.2 | | conditional discriminator D | `discriminator.PatchDiscriminator` |
| 4.2 | 6 | perceptual loss | `losses.perceptual_loss` |
| 4.2 | 7 | generative loss | `losses.discriminator_loss`, `losses.generator_loss` |
| 4.2 | 9 | total loss | `losses.total_loss` |
| 5.9 | | continuous discriminator | `continuous_discriminator.ContinuousDiscriminator` |

Eq. 1 is TPSMM's transformation: `reidaug.flow.rivals.tpsmm_groups`.
"""

from reidaug.flow.unwarpme.warping import UnWarpME

__all__ = ["UnWarpME"]

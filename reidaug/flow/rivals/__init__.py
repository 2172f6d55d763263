"""The four rivals of UnWarpME's Table 1, from given joints.

- Parametric flows (`parametric`): a map a part (`local_maps`) and the background's
  (`background_motion`), blended by one network (`dense_motion`): FOMM (`fomm`, `fomm_jacobians`),
  MRAA (`mraa`, `mraa_regions`), TPSMM (`tpsmm`, `tpsmm_groups`). They train with image generators
  (`fomm_generator`, `tpsmm_generator`, `warped_features`).
- A free flow: GFLA (`gfla`), trained by two losses on the flow itself (`gfla_losses`).
"""

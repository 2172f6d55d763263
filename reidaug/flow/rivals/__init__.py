"""The flow estimators UnWarpME is compared with: FOMM, MRAA, TPSMM and GFLA."""

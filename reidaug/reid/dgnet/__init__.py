"""DG-Net and DG-Net++."""

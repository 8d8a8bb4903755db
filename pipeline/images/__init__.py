"""Images: archives and folders of them, downloaded, decoded and split."""

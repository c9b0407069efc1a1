"""The folders and files of runs and studies. Only this code opens them."""

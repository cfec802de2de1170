"""Parts that several pages share: pickers, uploads, scores, progress."""

"""What every part uses and no reader imports: files, progress, statistics. No torch here."""

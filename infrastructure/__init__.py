"""What turns the repository into a deployment: packages for Lambda, and the template on an emulator."""

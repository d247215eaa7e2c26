-- A server that knows this script has met the installation since it was started; see `link`.
return 1

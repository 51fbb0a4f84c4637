mod fixture;
mod hostile;
mod model;
mod queries;
mod updates;

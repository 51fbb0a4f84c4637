mod fleets;
mod placing;

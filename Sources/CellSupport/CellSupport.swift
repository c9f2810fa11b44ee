/// What generated cell code calls. Owned by the cells room.
public enum CellSupport {}

/// Frames between the kernel process and the cell host. Owned by the cells room; see `Kernel/Run`.
package enum HostProtocol {}

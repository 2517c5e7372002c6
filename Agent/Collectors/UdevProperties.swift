/// What udev's database says of a device: the `E:NAME=value` lines of `/run/udev/data/b<major>:<minor>`.
enum UdevProperties {
    /// - Returns: nothing when udev does not run or does not know the device. Slow path: once per device.
    static func read(_ path: String) -> [String: String] {
        // Not the thread's buffer: the caller is still reading from that. What is read lives as long as its buffer.
        let buffer = ReadBuffer()
        defer { withExtendedLifetime(buffer) {} }
        guard let bytes = buffer.fill(path: path) else { return [:] }
        var properties: [String: String] = [:]
        var cursor = ByteCursor(bytes)
        while let line = cursor.line() {
            guard line.starts(with: "E:") else { continue }
            var fields = ByteCursor(Bytes(rebasing: line.dropFirst(2)))
            guard let name = fields.upTo(UInt8(ascii: "=")) else { continue }
            properties[name.text] = fields.rest.text
        }
        return properties
    }
}

/// What udev's database says of a device: the `E:NAME=value` lines of `/run/udev/data/b<major>:<minor>`.
enum UdevProperties {
    /// - Returns: nothing when udev does not run or does not know the device. Slow path: once per device.
    static func read(_ path: String) -> [String: String] {
        guard let bytes = ReadBuffer().fill(path: path) else { return [:] }
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

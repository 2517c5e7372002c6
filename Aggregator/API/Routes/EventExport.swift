import Store
import Telemetry

/// Listening events as text, a batch at a time. Both formats use the names that the intake takes; JSON lines leave
/// out what an event does not have, CSV has a column for everything.
struct EventExport {
    private var cursor: any EventCursor
    private let format: ExportFormat
    private var hasBegun = false

    init(_ cursor: any EventCursor, _ format: ExportFormat) {
        self.cursor = cursor
        self.format = format
    }

    /// - Returns: nil at the end.
    mutating func next() throws -> [UInt8]? {
        var writer = JSONWriter()
        if !hasBegun {
            hasBegun = true
            if format == .csv {
                let names = Self.fixed + EventText.allCases.map(\.name) + EventNumber.allCases.map(\.name)
                writer.bytes.append(contentsOf: names.joined(separator: ",").utf8)
                writer.raw("\r\n")
                return writer.bytes
            }
        }
        guard let events = try cursor.next() else { return nil }
        for event in events { format == .csv ? Self.row(event, &writer) : Self.line(event, &writer) }
        return writer.bytes
    }

    private static let fixed = ["id", "kind", "revision", "at", "received_at", "user", "pseudonym_version"]

    private static func line(_ event: ListeningEvent, _ writer: inout JSONWriter) {
        writer.raw("{\"id\":")
        writer.write(event.id)
        writer.raw(",\"kind\":")
        writer.write(event.kind.name)
        writer.raw(",\"revision\":")
        writer.write(Int64(event.revision))
        writer.raw(",\"at\":")
        writer.write(InternetTime.format(event.at))
        writer.raw(",\"received_at\":")
        writer.write(InternetTime.format(event.receivedAt))
        if let user = event.user {
            writer.raw(",\"user\":")
            writer.write(user.description)
            writer.raw(",\"pseudonym_version\":")
            writer.write(Int64(event.pseudonymVersion))
        }
        for text in EventText.allCases {
            guard let value = event[text] else { continue }
            writer.byte(",")
            writer.write(text.name)
            writer.byte(":")
            writer.write(value)
        }
        for number in EventNumber.allCases {
            guard let value = event[number] else { continue }
            writer.byte(",")
            writer.write(number.name)
            writer.byte(":")
            writer.write(value)
        }
        writer.raw("}\n")
    }

    private static func row(_ event: ListeningEvent, _ writer: inout JSONWriter) {
        CSV.append(event.id, to: &writer.bytes)
        let fields = [
            event.kind.name, String(event.revision), InternetTime.format(event.at),
            InternetTime.format(event.receivedAt),
            event.user?.description ?? "", event.user == nil ? "" : String(event.pseudonymVersion),
        ]
        for field in fields {
            writer.byte(",")
            writer.bytes.append(contentsOf: field.utf8)
        }
        for text in EventText.allCases {
            writer.byte(",")
            CSV.append(event[text] ?? "", to: &writer.bytes)
        }
        for number in EventNumber.allCases {
            writer.byte(",")
            if let value = event[number] { writer.write(value) }
        }
        writer.raw("\r\n")
    }
}

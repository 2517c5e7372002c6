/// What a listening event records.
public enum EventKind: UInt8, Sendable, CaseIterable {
    case play = 1, save = 2, playlistAdd = 3, share = 4, shareConversion = 5, follow = 6, subscription = 7
    case adRequest = 8, adImpression = 9, adRevenue = 10, xrSample = 11
    public var name: String {
        switch self {
        case .play: "play"
        case .save: "save"
        case .playlistAdd: "playlist_add"
        case .share: "share"
        case .shareConversion: "share_conversion"
        case .follow: "follow"
        case .subscription: "subscription"
        case .adRequest: "ad_request"
        case .adImpression: "ad_impression"
        case .adRevenue: "ad_revenue"
        case .xrSample: "xr_sample"
        }
    }
    public init?(name: String) {
        guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

/// The text attributes of an event. Raw values are wire numbers: never reuse one.
public enum EventText: UInt8, Sendable, CaseIterable {
    case track = 1  // the tenant's recording id
    case isrc = 2  // twelve characters, upper case, no hyphens
    case title = 3
    case artist = 4
    case release = 5
    case genres = 6  // tags joined by ";"
    case session = 7
    case startReason = 8
    case endReason = 9  // done, skip_fwd, skip_back, stop, error, remote
    case source = 10  // search, library, playlist, editorial, algorithmic, radio, autoplay, share_link
    case sourceID = 11  // e.g. the playlist's id
    case tier = 12  // premium, ad, trial, family
    case territory = 13  // ISO 3166-1 alpha-2, upper case
    case device = 14  // device class
    case appVersion = 15
    case item = 16  // what a sibling event is about: playlist, campaign, plan
    case detail = 17  // its free qualifier: share channel, subscription movement
    case currency = 18  // ISO 4217
    public var name: String {
        switch self {
        case .track: "track"
        case .isrc: "isrc"
        case .title: "title"
        case .artist: "artist"
        case .release: "release"
        case .genres: "genres"
        case .session: "session"
        case .startReason: "start_reason"
        case .endReason: "end_reason"
        case .source: "source"
        case .sourceID: "source_id"
        case .tier: "tier"
        case .territory: "territory"
        case .device: "device"
        case .appVersion: "app_version"
        case .item: "item"
        case .detail: "detail"
        case .currency: "currency"
        }
    }
}

/// The whole-number attributes of an event. Raw values are wire numbers: never reuse one.
public enum EventNumber: UInt8, Sendable, CaseIterable {
    case millisecondsPlayed = 1  // audible wall time, not position
    case trackMilliseconds = 2
    case shuffle = 3  // 0 or 1
    case offline = 4  // 0 or 1
    case amountMicros = 5  // money, millionths of `currency`
    case startupMilliseconds = 6  // request to first audio; negative means start-up failed
    case frameTimeMicros = 7  // XR: p95 frame time of the sample
    case droppedPermille = 8  // XR: dropped frames
    case muted = 9  // 0 or 1
    public var name: String {
        switch self {
        case .millisecondsPlayed: "ms_played"
        case .trackMilliseconds: "track_ms"
        case .shuffle: "shuffle"
        case .offline: "offline"
        case .amountMicros: "amount_micros"
        case .startupMilliseconds: "startup_ms"
        case .frameTimeMicros: "frame_time_us"
        case .droppedPermille: "dropped_permille"
        case .muted: "muted"
        }
    }
}

/// One listening event: a play attempt or one of its siblings. Plain values, no user identifier in clear.
///
/// `id` makes it idempotent: the same id again is the same event; with a higher `revision` it
/// supersedes the earlier one (late corrections up to 30 days are revisions, not overwrites).
public struct ListeningEvent: Hashable, Sendable {
    /// 1 to 64 bytes of the producer's choice, unique per tenant.
    public var id: String
    public var kind: EventKind
    public var revision: UInt32
    /// When it began (a play) or happened (the others).
    public var at: Timestamp
    /// When the agent took it in.
    public var receivedAt: Timestamp
    public var user: UserPseudonym?
    /// The version of the pseudonym key that made `user`.
    public var pseudonymVersion: UInt32
    /// By `EventText.rawValue - 1`; an absent attribute is nil.
    public var texts: [String?]
    /// By `EventNumber.rawValue - 1`; an absent attribute is nil.
    public var numbers: [Int64?]

    public init(
        id: String, kind: EventKind, revision: UInt32 = 0, at: Timestamp, receivedAt: Timestamp,
        user: UserPseudonym? = nil, pseudonymVersion: UInt32 = 0
    ) {
        self.id = id
        self.kind = kind
        self.revision = revision
        self.at = at
        self.receivedAt = receivedAt
        self.user = user
        self.pseudonymVersion = pseudonymVersion
        self.texts = Array(repeating: nil, count: EventText.allCases.count)
        self.numbers = Array(repeating: nil, count: EventNumber.allCases.count)
    }

    /// For decoders, which have the attributes at hand.
    /// - Precondition: one entry per case of ``EventText`` and of ``EventNumber``.
    public init(
        id: String, kind: EventKind, revision: UInt32, at: Timestamp, receivedAt: Timestamp, user: UserPseudonym?,
        pseudonymVersion: UInt32, texts: [String?], numbers: [Int64?]
    ) {
        precondition(texts.count == EventText.allCases.count && numbers.count == EventNumber.allCases.count)
        self.id = id
        self.kind = kind
        self.revision = revision
        self.at = at
        self.receivedAt = receivedAt
        self.user = user
        self.pseudonymVersion = pseudonymVersion
        self.texts = texts
        self.numbers = numbers
    }

    @inlinable public subscript(text: EventText) -> String? {
        get { texts[Int(text.rawValue) - 1] }
        set { texts[Int(text.rawValue) - 1] = newValue }
    }
    @inlinable public subscript(number: EventNumber) -> Int64? {
        get { numbers[Int(number.rawValue) - 1] }
        set { numbers[Int(number.rawValue) - 1] = newValue }
    }
}

/// Bounds on one event, enforced at the intake and again on decoding.
public enum EventLimits {
    public static let idBytesMax = 64
    public static let textBytesMax = 512
    /// Events further than this ahead of the clock are refused.
    public static let futureMillisecondsMax: Int64 = 300_000
    /// Events older than this are refused (DSP practice: 30 days for offline plays).
    public static let pastMillisecondsMax: Int64 = 30 * 86_400_000
}

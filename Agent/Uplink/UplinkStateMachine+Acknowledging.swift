import Telemetry
import WireFormat

/// What an acknowledgement means. Its signature was checked before.
extension UplinkStateMachine {
    mutating func acknowledge(_ acknowledgement: Acknowledgement, _ now: Int64, _ actions: inout [UplinkAction]) {
        guard phase != .stopped else { return }
        guard hearing.isNew(acknowledgement) else {
            counters.acknowledgementsReplayed += 1
            return
        }
        counters.acknowledgements += 1
        for rejection in acknowledgement.rejections { reject(rejection, now, &actions) }
        for settled in acknowledgement.settled { settle(settled, &actions) }
        // What was settled before this start stays settled, and what an aggregator lacks it lacks, whichever epoch
        // it takes for the running one: the birth of this start may be lost. All else is said to a running epoch.
        acknowledgement.needsTables.forEach { enqueue(.auxiliary(.table($0))) }
        acknowledgement.needsKeys.forEach { enqueue(.auxiliary(.key($0))) }
        guard acknowledgement.runningEpoch == runningEpoch || acknowledgement.runningEpoch == .zero else {
            if phase == .online, acknowledgement.needsBirth { scheduleWantedBirth(now) }
            return
        }
        unacknowledged.passOver(now: now)
        credit.granted(acknowledgement.creditBytes)
        lanes.alert.creditFreed()
        lanes.live.creditFreed()
        if phase == .online { scheduleBirth(acknowledgement, now) }
        wish(acknowledgement.flushIntervalMilliseconds, &actions)
        actions.append(.aggregatorTime(acknowledgement.time))
        if hearing.configuration.desire(
            acknowledgement.desiredConfigurationVersion, deadline: now + UplinkLimits.configurationWithheldMilliseconds)
        {
            actions.append(.desiredConfiguration(version: acknowledgement.desiredConfigurationVersion))
        }
        if hearing.keys.desire(
            acknowledgement.keyBundleVersion, deadline: now + UplinkLimits.keysWithheldMilliseconds)
        {
            actions.append(.desiredBundle(version: acknowledgement.keyBundleVersion))
        }
    }

    private mutating func reject(
        _ rejection: Acknowledgement.Rejection, _ now: Int64, _ actions: inout [UplinkAction]
    ) {
        if rejection.isFinal {
            counters.rejectionsFinal += 1
            unacknowledged.remove(rejection.key)
            actions.append(.park(rejection.key, rejection.code))
        } else {
            counters.rejectionsRetried += 1
            unacknowledged.postpone(rejection.key, now, using: &generator)
        }
    }

    private mutating func settle(_ settled: Acknowledgement.Settled, _ actions: inout [UplinkAction]) {
        let highest = max(settled.contiguous, settled.ranges.last?.upperBound ?? 0)
        if let next = hearing.next[settled.laneKey], highest >= next {
            actions += [
                .report(.epochRewound(settled.laneKey, acknowledged: highest)),
                .closeEpoch(settled.laneKey, acknowledged: highest),
            ]
        }
        counters.rowsAcknowledged += UInt64(unacknowledged.settle(settled))
        actions.append(.settle(settled))
    }

    private mutating func scheduleBirth(_ acknowledgement: Acknowledgement, _ now: Int64) {
        if acknowledgement.challenge != .zero, acknowledgement.challenge != hearing.lastChallenge {
            hearing.lastChallenge = acknowledgement.challenge
            control.challenge = acknowledgement.challenge
            let jitter = Int64.random(in: 0...UplinkLimits.challengeJitterMilliseconds, using: &generator)
            control.scheduleBirth(at: now + jitter)
        } else if acknowledgement.needsBirth {
            scheduleWantedBirth(now)
        }
    }

    private mutating func scheduleWantedBirth(_ now: Int64) {
        guard control.birthAt == nil, control.next != .birth else { return }
        control.scheduleBirth(at: now + Int64.random(in: 0...UplinkLimits.birthJitterMilliseconds, using: &generator))
    }

    private mutating func wish(_ milliseconds: UInt32, _ actions: inout [UplinkAction]) {
        let clamped = min(UplinkLimits.flushMillisecondsMax, max(UplinkLimits.flushMillisecondsMin, milliseconds))
        let wish = milliseconds == 0 ? nil : clamped
        guard wish != hearing.flushMilliseconds else { return }
        hearing.flushMilliseconds = wish
        actions.append(.flushEvery(milliseconds: wish))
    }
}

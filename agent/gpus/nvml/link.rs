//! What joins a card to the rest: PCI Express, NVLink, the fabric.

use nvml_wrapper::Device;
use nvml_wrapper::sys_exports::field_id as id;

use super::super::CardError;
use super::answers::{Answers, IMPLAUSIBLE, NOT_SUPPORTED, Refusal};
use super::fields::{ALL, Fields};
use super::raw;
use crate::sample::{FABRIC_STATES, GpuSample, NvLinks};

/// `NVML_NVLINK_MAX_LINKS` of nvml.h 13.5: no card has more NVLinks.
const MOST_LINKS: u32 = 36;

const ERRORS: [(&str, u32, u32); 3] = [
    ("replay", id::NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY, id::NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL),
    ("recovery", id::NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY, id::NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL),
    ("crc", id::NVML_FI_DEV_NVLINK_ERROR_DL_CRC, id::NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL),
];

/// What the slot and the card agree on, which no running system changes.
pub(super) fn learn(
    device: &Device<'_>,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    let most = device.max_pcie_link_gen();
    card.pcie.generation_max = answers.believed("pcie.generation_max", most, |most| *most > 0)?;
    let most = device.max_pcie_link_width();
    card.pcie.width_max = answers.believed("pcie.width_max", most, |most| *most > 0)?;
    Ok(())
}

/// How many NVLinks it has. Drivers that do not know the field are asked link by link.
pub(super) fn count(device: &Device<'_>, answers: &mut Answers) -> Result<u32, CardError> {
    let field = id::NVML_FI_DEV_NVLINK_LINK_COUNT;
    let told = Fields::ask(device, &[(field, 0)])?.get(field);
    let count = told.or_else(|refusal| {
        let there = (0..MOST_LINKS).take_while(|link| device.link_wrapper_for(*link).is_active().is_ok());
        match there.count() {
            0 => Err(refusal),
            links => Ok(links as u64),
        }
    });
    let count = count.and_then(|count| match count {
        0 => Err(NOT_SUPPORTED),
        count if count <= u64::from(MOST_LINKS) => Ok(count as u32),
        _ => Err(IMPLAUSIBLE),
    });
    Ok(answers.told("nvlinks", count)?.unwrap_or(0))
}

/// The links as they are now. Bytes over PCI Express are the driver's counters: its other call measures for
/// 20 ms each way while it blocks.
pub(super) fn read(
    device: &Device<'_>,
    links: u32,
    fields: &Fields,
    answers: &mut Answers,
    card: &mut GpuSample,
) -> Result<(), CardError> {
    let now = device.current_pcie_link_gen();
    card.pcie.generation = answers.believed("pcie.generation", now, |now| *now > 0)?;
    let now = device.current_pcie_link_width();
    card.pcie.width = answers.believed("pcie.width", now, |now| *now > 0)?;
    if card.shared_memory == Some(true) {
        not_on_the_bus(answers, card);
    }
    let replays = fields.get(id::NVML_FI_DEV_PCIE_REPLAY_COUNTER);
    let replays = replays.or_else(|_| device.pcie_replay_counter().map(u64::from));
    card.pcie.replays = answers.told("pcie.replays", replays)?;
    card.pcie.received_bytes =
        answers.told("pcie.received_bytes", fields.get(id::NVML_FI_DEV_PCIE_COUNT_RX_BYTES))?;
    card.pcie.sent_bytes =
        answers.told("pcie.sent_bytes", fields.get(id::NVML_FI_DEV_PCIE_COUNT_TX_BYTES))?;
    if links == 0 {
        answers.missing("fabric_state", &NOT_SUPPORTED);
        return Ok(());
    }
    card.nvlinks = Some(nvlinks(device, links, answers)?);
    let state = raw::fabric_state(device).map_err(Refusal::from).and_then(fabric);
    card.fabric_state = answers.told("fabric_state", state)?.map(str::to_owned);
    Ok(())
}

/// A card that is built into the machine says generation 1 and one lane, which is not how it is joined to the
/// memory and would look like a broken link.
fn not_on_the_bus(answers: &mut Answers, card: &mut GpuSample) {
    let pcie = &mut card.pcie;
    for (field, told) in [
        ("pcie.generation", &mut pcie.generation),
        ("pcie.generation_max", &mut pcie.generation_max),
        ("pcie.width", &mut pcie.width),
        ("pcie.width_max", &mut pcie.width_max),
    ] {
        if told.take().is_some() {
            answers.missing(field, &IMPLAUSIBLE);
        }
    }
}

fn nvlinks(device: &Device<'_>, links: u32, answers: &mut Answers) -> Result<NvLinks, CardError> {
    let of_a_link = [id::NVML_FI_DEV_NVLINK_GET_STATE].into_iter().chain(ERRORS.map(|error| error.1));
    let mut wanted: Vec<_> = of_a_link.flat_map(|field| (0..links).map(move |link| (field, link))).collect();
    wanted.extend(ERRORS.map(|error| (error.2, 0)));
    wanted.push((id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, ALL));
    wanted.push((id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, ALL));
    let fields = Fields::ask(device, &wanted)?;

    let mut told = NvLinks::default();
    for link in 0..links {
        let state = fields.scoped(id::NVML_FI_DEV_NVLINK_GET_STATE, link).map(is_up);
        let state = state.or_else(|_| device.link_wrapper_for(link).is_active());
        // One that the driver does not speak of is not up.
        match answers.told("nvlinks.active", state)? {
            Some(true) => told.active += 1,
            _ => told.inactive += 1,
        }
    }
    for (kind, by_link, total) in ERRORS {
        let errors = sum(&fields, by_link, links).or_else(|_| fields.get(total));
        let errors = answers.told(&format!("nvlinks.errors.{kind}"), errors)?;
        told.errors.extend(errors.map(|errors| (kind.to_owned(), errors as f64)));
    }
    let kibibytes = |field| fields.scoped(field, ALL).map(|kibibytes| kibibytes.saturating_mul(1024));
    let received = kibibytes(id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX);
    let sent = kibibytes(id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX);
    if received.is_err() && sent.is_err() && nvlink5(device, links, &mut told)? {
        for kind in told.errors.keys() {
            answers.untold.remove(&format!("nvlinks.errors.{kind}"));
        }
        return Ok(told);
    }
    told.received_bytes = answers.told("nvlinks.received_bytes", received)?;
    told.sent_bytes = answers.told("nvlinks.sent_bytes", sent)?;
    Ok(told)
}

/// NVLink 5 counts by link, in fields of its own. `false`: it is not that.
fn nvlink5(device: &Device<'_>, links: u32, told: &mut NvLinks) -> Result<bool, CardError> {
    let fields = [
        id::NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES,
        id::NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES,
        id::NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS,
        id::NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS,
        id::NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS,
    ];
    let wanted: Vec<_> =
        fields.into_iter().flat_map(|field| (0..links).map(move |link| (field, link))).collect();
    let answers = Fields::ask(device, &wanted)?;
    let [received, sent, errors, recovered, failed] = fields.map(|field| sum(&answers, field, links).ok());
    told.received_bytes = received;
    told.sent_bytes = sent;
    told.errors.extend(errors.map(|errors| ("receive".to_owned(), errors as f64)));
    let recoveries = recovered.zip(failed).map(|(recovered, failed)| recovered.saturating_add(failed));
    told.errors.extend(recoveries.map(|recoveries| ("recovery".to_owned(), recoveries as f64)));
    Ok(received.is_some() && sent.is_some())
}

/// Over all links that tell. A link that is down tells nothing.
fn sum(fields: &Fields, field: u32, links: u32) -> Result<u64, Refusal> {
    let told = (0..links).map(|link| fields.scoped(field, link));
    let sum = |sum: Result<u64, Refusal>, one: Result<u64, Refusal>| match (sum, one) {
        (Ok(sum), Ok(one)) => Ok(sum.saturating_add(one)),
        (Ok(sum), Err(_)) => Ok(sum),
        (Err(_), one) => one,
    };
    told.fold(Err(NOT_SUPPORTED), sum)
}

/// Active, or asleep until there is traffic. `NVML_NVLINK_STATE_ACTIVE_TRAFFIC_DISABLED` carries none.
fn is_up(state: u64) -> bool {
    matches!(state, 1 | 2)
}

fn fabric(state: u8) -> Result<&'static str, Refusal> {
    match state {
        0 => Err(NOT_SUPPORTED),
        state => FABRIC_STATES.get(usize::from(state) - 1).copied().ok_or(IMPLAUSIBLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fabric_that_is_not_there_has_no_state() {
        assert_eq!(fabric(0), Err(NOT_SUPPORTED));
        assert_eq!([1, 2, 3].map(fabric), [Ok("not_started"), Ok("in_progress"), Ok("completed")]);
        assert_eq!(fabric(4), Err(IMPLAUSIBLE));
    }

    #[test]
    fn a_link_without_traffic_is_up_and_one_that_may_carry_none_is_not() {
        assert_eq!([0, 1, 2, 3].map(is_up), [false, true, true, false]);
    }
}

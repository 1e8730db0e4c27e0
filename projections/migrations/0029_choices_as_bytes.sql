-- What is one of a few known values is a byte. As LowCardinality, a merge looked each row's value up in the dictionary of
-- the part that it wrote: of a merged row of the event base 1.4 µs instead of 2.2, on the same machine. What is stored is
-- written anew, 4 million events in 22 s.
-- The numbers are `projections.activation.CHOICES`' places: values are added at the end, none is taken out.

-- What erasures said in patches is written down first, and then one column is altered after the other: ClickHouse applies
-- no patch to a part of which more than one column is being altered, neither reads it. All in one statement took a third of
-- the time, and a worker of the version before may still erase somebody meanwhile.
ALTER TABLE activation_event APPLY PATCHES SETTINGS mutations_sync = 1;

ALTER TABLE activation_event MODIFY COLUMN type Enum8(
    'ActivationRegistered' = 0, 'FaceVerified' = 1, 'QrVerified' = 2, 'Activated' = 3, 'AttemptFailed' = 4,
    'Deactivated' = 5, 'FirstUsed' = 6, 'SubjectDeparted' = 7, 'SubjectArrived' = 8, 'SubjectErased' = 9);

ALTER TABLE activation_event MODIFY COLUMN age_band Enum8(
    'unknown' = 0, 'under_17' = 1, 'from_17_to_24' = 2, 'from_25_to_34' = 3, 'from_35_to_44' = 4,
    'from_45_to_59' = 5, 'from_60' = 6);

ALTER TABLE activation_event MODIFY COLUMN sex Enum8('unknown' = 0, 'female' = 1, 'male' = 2);

ALTER TABLE activation_event MODIFY COLUMN channel Enum8(
    'unknown' = 0, 'office' = 1, 'village_office' = 2, 'jemput_bola' = 3, 'mobile_service' = 4, 'school' = 5,
    'campus' = 6, 'workplace' = 7, 'service_mall' = 8, 'event_stall' = 9, 'online' = 10);

ALTER TABLE activation_event MODIFY COLUMN device_class Enum8(
    'unknown' = 0, 'android_old' = 1, 'android_recent' = 2, 'ios_old' = 3, 'ios_recent' = 4, 'none' = 5);

ALTER TABLE activation_event MODIFY COLUMN step Enum8(
    '' = 0, 'unknown' = 1, 'install' = 2, 'registration' = 3, 'face_match' = 4, 'qr_scan' = 5, 'code_entry' = 6,
    'pin' = 7);

ALTER TABLE activation_event MODIFY COLUMN reason Enum8(
    '' = 0, 'unknown' = 1, 'lost_phone' = 2, 'new_phone' = 3, 'forgotten_pin' = 4, 'death' = 5,
    'holder_request' = 6, 'fraud' = 7, 'administrative' = 8, 'other' = 9, 'no_connectivity' = 10, 'time_out' = 11,
    'data_mismatch' = 12, 'face_mismatch' = 13, 'device_already_bound' = 14, 'os_unsupported' = 15,
    'storage_full' = 16, 'camera_fault' = 17, 'no_smartphone' = 18, 'no_email' = 19, 'not_recorded' = 20,
    'under_age' = 21, 'siak_down' = 22, 'code_not_received' = 23, 'code_expired' = 24, 'refused_privacy' = 25,
    'nik_inactive' = 26);

ALTER TABLE activity
    MODIFY COLUMN type Enum8(
        'ActivationRegistered' = 0, 'FaceVerified' = 1, 'QrVerified' = 2, 'Activated' = 3, 'AttemptFailed' = 4,
        'Deactivated' = 5, 'FirstUsed' = 6, 'SubjectDeparted' = 7, 'SubjectArrived' = 8, 'SubjectErased' = 9),
    MODIFY COLUMN channel Enum8(
        'unknown' = 0, 'office' = 1, 'village_office' = 2, 'jemput_bola' = 3, 'mobile_service' = 4, 'school' = 5,
        'campus' = 6, 'workplace' = 7, 'service_mall' = 8, 'event_stall' = 9, 'online' = 10);

-- Last. A worker of the version before stops at its next insert with its batches not acknowledged, and the new one takes
-- them in again.
ALTER TABLE activation_in
    MODIFY COLUMN type Enum8(
        'ActivationRegistered' = 0, 'FaceVerified' = 1, 'QrVerified' = 2, 'Activated' = 3, 'AttemptFailed' = 4,
        'Deactivated' = 5, 'FirstUsed' = 6, 'SubjectDeparted' = 7, 'SubjectArrived' = 8, 'SubjectErased' = 9),
    MODIFY COLUMN age_band Enum8(
        'unknown' = 0, 'under_17' = 1, 'from_17_to_24' = 2, 'from_25_to_34' = 3, 'from_35_to_44' = 4,
        'from_45_to_59' = 5, 'from_60' = 6),
    MODIFY COLUMN sex Enum8('unknown' = 0, 'female' = 1, 'male' = 2),
    MODIFY COLUMN channel Enum8(
        'unknown' = 0, 'office' = 1, 'village_office' = 2, 'jemput_bola' = 3, 'mobile_service' = 4, 'school' = 5,
        'campus' = 6, 'workplace' = 7, 'service_mall' = 8, 'event_stall' = 9, 'online' = 10),
    MODIFY COLUMN device_class Enum8(
        'unknown' = 0, 'android_old' = 1, 'android_recent' = 2, 'ios_old' = 3, 'ios_recent' = 4, 'none' = 5),
    MODIFY COLUMN step Enum8(
        '' = 0, 'unknown' = 1, 'install' = 2, 'registration' = 3, 'face_match' = 4, 'qr_scan' = 5, 'code_entry' = 6,
        'pin' = 7),
    MODIFY COLUMN reason Enum8(
        '' = 0, 'unknown' = 1, 'lost_phone' = 2, 'new_phone' = 3, 'forgotten_pin' = 4, 'death' = 5,
        'holder_request' = 6, 'fraud' = 7, 'administrative' = 8, 'other' = 9, 'no_connectivity' = 10, 'time_out' = 11,
        'data_mismatch' = 12, 'face_mismatch' = 13, 'device_already_bound' = 14, 'os_unsupported' = 15,
        'storage_full' = 16, 'camera_fault' = 17, 'no_smartphone' = 18, 'no_email' = 19, 'not_recorded' = 20,
        'under_age' = 21, 'siak_down' = 22, 'code_not_received' = 23, 'code_expired' = 24, 'refused_privacy' = 25,
        'nik_inactive' = 26);
